import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Widget } from '@lumino/widgets';
import { placeFor } from './place';

/** Where logs and notebooks of trials go: to the right of the page that they were opened from, and there one over the other. */
export class Beside {
  private last: Widget | null = null;

  constructor(private readonly shell: JupyterFrontEnd.IShell) {}

  /** Where the next one goes. */
  get options(): DocumentRegistry.IOpenOptions {
    return this.last?.isAttached && !this.last.isDisposed ? { mode: 'tab-after', ref: this.last.id } : { mode: 'split-right' };
  }

  /** Add a page there. */
  add(page: Widget): void {
    this.shell.add(page, placeFor(this.shell), this.options);
    this.opened(page);
  }

  /** Note what was opened there. */
  opened(page: Widget | undefined): void {
    this.last = page ?? this.last;
  }
}
