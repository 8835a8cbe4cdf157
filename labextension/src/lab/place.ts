import type { JupyterFrontEnd } from '@jupyterlab/application';

/**
 * Where pages, forms and logs go. JupyterLab's main area takes many and splits, which its shell alone has modes for; a page of
 * Notebook 7 holds one document there and drops any other, so that they go to its right.
 */
export function placeFor(shell: JupyterFrontEnd.IShell): 'main' | 'right' {
  return 'mode' in shell ? 'main' : 'right';
}
