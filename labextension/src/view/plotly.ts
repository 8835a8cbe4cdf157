/** The little of plotly that is used. It is never bundled: Python's own copy of it is loaded, which the figures are made for. */

export interface PlotlyElement extends HTMLElement {
  on(event: string, take: (event: unknown) => void): void;
  removeAllListeners(event: string): void;
  data?: Record<string, unknown>[];
}

export interface Plotly {
  react(
    element: HTMLElement,
    data: Record<string, unknown>[],
    layout: Record<string, unknown>,
    config: Record<string, unknown>
  ): Promise<PlotlyElement>;
  restyle(element: HTMLElement, update: Record<string, unknown>, traces?: number[]): Promise<PlotlyElement>;
  purge(element: HTMLElement): void;
  Plots: { resize(element: HTMLElement): void };
}

interface Page {
  workbenchPlotly?: Promise<Plotly>;
}

/** Turn the text of plotly's script into plotly, once for each page whatever the number of views. */
export function plotlyOnce(fetchText: () => Promise<string>): Promise<Plotly> {
  const page = globalThis as Page;
  page.workbenchPlotly ??= fetchText()
    .then(text => {
      const source = `const module = {exports: {}}; const exports = module.exports; const define = undefined;\n${text}\n;export default module.exports;`;
      const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
      return import(/* webpackIgnore: true */ address).then((loaded: { default: Plotly }) => {
        URL.revokeObjectURL(address);
        return loaded.default;
      });
    })
    .catch((error: unknown) => {
      delete page.workbenchPlotly;
      throw error;
    });
  return page.workbenchPlotly;
}
