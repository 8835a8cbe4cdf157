import { h, throttled } from './dom';
import type { Axis, Figure, Ranges } from './protocol';
import type { Plotly, PlotlyElement } from './plotly';
import type { State } from './state';

const CONFIG = { displaylogo: false, responsive: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'] };
const WITHOUT_BAR = { ...CONFIG, displayModeBar: false };
const EVERY = 800;

type Options = Record<string, unknown>;

/** One figure that Python draws and plotly shows; asked for again while it can be seen and something has changed. */
export class Chart {
  readonly element: HTMLElement;
  protected readonly plot: PlotlyElement;
  protected readonly foot: HTMLElement;
  protected figure: Figure | null = null;
  protected plotly: Plotly | null = null;
  private readonly note = h('div', { class: 'wb-note', role: 'status' });
  private readonly refreshSoon = throttled(() => void this.refresh(), EVERY);
  private readonly sizes: ResizeObserver;
  private visible = false;
  private stale = true;
  private asking = false;
  private held = false;
  private options: Options = {};

  constructor(
    protected readonly state: State,
    private readonly kind: string,
    label: string
  ) {
    this.plot = h('div', { class: 'wb-plot', role: 'img', 'aria-label': label }) as unknown as PlotlyElement;
    this.foot = h('div', { class: 'wb-foot' }, this.note);
    this.element = h('div', { class: 'wb-chart' }, this.plot, this.foot);
    state.onChange(() => this.outdated());
    this.sizes = new ResizeObserver(() => {
      if (this.plotly && this.figure && this.visible && this.plot.clientWidth > 0) {
        this.plotly.Plots.resize(this.plot);
      }
    });
    this.sizes.observe(this.plot);
    this.plot.addEventListener('pointerdown', () => (this.held = true));
    window.addEventListener('pointerup', this.release);
  }

  /** Nothing is redrawn under a finger that drags. */
  private readonly release = (): void => {
    if (this.held) {
      this.held = false;
      if (this.stale) {
        this.refreshSoon();
      }
    }
  };

  show(visible: boolean): void {
    this.visible = visible;
    if (visible && this.stale) {
      void this.refresh();
    }
  }

  set(options: Options): void {
    this.options = { ...this.options, ...options };
    this.outdated();
  }

  outdated(): void {
    this.stale = true;
    if (this.visible) {
      this.refreshSoon();
    }
  }

  /** Draw what is there again, in the colours of a theme that has changed. */
  recolor(): void {
    if (this.figure && this.plotly) {
      void this.draw(this.figure, this.plotly);
    }
  }

  destroy(): void {
    this.refreshSoon.cancel();
    window.removeEventListener('pointerup', this.release);
    this.sizes.disconnect();
    this.plotly?.purge(this.plot);
  }

  protected async draw(figure: Figure, plotly: Plotly): Promise<void> {
    await plotly.react(this.plot, figure.data, this.layout(figure), this.kind === 'parallel' ? WITHOUT_BAR : CONFIG);
  }

  protected layout(figure: Figure): Record<string, unknown> {
    const style = getComputedStyle(this.element);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const grid = { gridcolor: color('--wb-grid'), linecolor: color('--wb-border'), tickcolor: color('--wb-border') };
    return {
      ...figure.layout,
      xaxis: { ...(figure.layout['xaxis'] as object | undefined), ...grid },
      yaxis: { ...(figure.layout['yaxis'] as object | undefined), ...grid },
      font: { family: style.fontFamily, size: 11, color: color('--wb-fg') },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      hoverlabel: { bgcolor: color('--wb-bg2'), font: { color: color('--wb-fg') }, bordercolor: color('--wb-border') },
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: color('--wb-dim'), activecolor: color('--wb-fg') },
      uirevision: this.kind,
      autosize: true
    };
  }

  protected prepared(_plotly: Plotly): void {
    this.plot.removeAllListeners('plotly_click');
    this.plot.on('plotly_click', event => {
      const points = (event as { points?: { customdata?: unknown }[] }).points ?? [];
      const trial = this.state.byNumber(Number(points[0]?.customdata));
      if (trial) {
        this.state.select([trial.name]);
      }
    });
  }

  private async refresh(): Promise<void> {
    if (this.asking || this.held || !this.visible || !this.state.header) {
      return;
    }
    this.asking = true;
    this.stale = false;
    try {
      const [plotly, figure] = await Promise.all([
        this.state.transport.loadPlotly(),
        this.state.ask('figure', { kind: this.kind, options: this.options })
      ]);
      const first = this.figure === null;
      this.plotly = plotly;
      if (this.held) {
        this.stale = true;
        return;
      }
      this.figure = figure;
      this.note.textContent = figure.note || (figure.data.length ? '' : 'Nothing to draw yet');
      await this.draw(figure, plotly);
      if (first) {
        this.prepared(plotly);
      }
    } catch (error) {
      this.note.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.asking = false;
      if (this.stale) {
        this.outdated();
      }
    }
  }
}

interface Dimension {
  values: (number | null)[];
  constraintrange?: number[] | number[][];
}

/** Parallel coordinates, whose brushes survive updates and choose rows of the table, and the other way round. */
export class ParallelChart extends Chart {
  private brushes = new Map<string, [number, number][]>();
  private readonly hint = h('div', { class: 'wb-hint', 'aria-live': 'polite' });
  private selectedRanges: [number, number][] = [];

  constructor(
    state: State,
    private readonly onBrush: () => void
  ) {
    super(state, 'parallel', 'Parallel coordinates: one line for each trial through its parameters to the primary metric');
    this.foot.append(this.hint);
    state.onSelection(() => this.takeSelection());
  }

  /** The brushed parts of the parameters' axes. */
  ranges(): Ranges {
    const names = new Set(this.state.header?.axes.map(axis => axis.name));
    return Object.fromEntries([...this.brushes].filter(([name, ranges]) => names.has(name) && ranges.length));
  }

  get isBrushed(): boolean {
    return [...this.brushes.values()].some(ranges => ranges.length);
  }

  clear(): void {
    this.brushes.clear();
    this.state.brush(null);
    this.onBrush();
    this.recolor();
  }

  /** Brush one axis, as a drag along it would. */
  brush(axis: string, ranges: [number, number][]): void {
    this.brushes.set(axis, ranges);
    this.apply();
    this.recolor();
  }

  protected override layout(figure: Figure): Record<string, unknown> {
    const { xaxis: _x, yaxis: _y, ...layout } = super.layout(figure);
    return layout;
  }

  protected override async draw(figure: Figure, plotly: Plotly): Promise<void> {
    const [trace] = figure.data;
    if (trace) {
      const dimensions = (trace['dimensions'] as Dimension[]).map((dimension, index) => {
        const axis = figure.axes[index]?.name ?? '';
        const ranges = this.brushes.get(axis) ?? (index === 0 ? this.selectedRanges : undefined);
        const { constraintrange: _, ...rest } = dimension;
        return ranges?.length ? { ...rest, constraintrange: ranges } : rest;
      });
      const style = getComputedStyle(this.element);
      const color = style.getPropertyValue('--wb-fg').trim();
      const faded = style.getPropertyValue('--wb-dim').trim();
      await super.draw(
        {
          ...figure,
          data: [
            {
              ...trace,
              dimensions,
              labelfont: { color, size: 12 },
              tickfont: { color, size: 10 },
              rangefont: { color: 'rgba(0,0,0,0)', size: 1 },
              unselected: { line: { color: faded, opacity: 0.12 } }
            }
          ]
        },
        plotly
      );
    } else {
      await super.draw(figure, plotly);
    }
    this.apply();
  }

  protected override prepared(plotly: Plotly): void {
    super.prepared(plotly);
    this.plot.on('plotly_restyle', event => this.readBrushes((event as [Record<string, unknown>])[0]));
    this.plot.on('plotly_hover', event => this.hovered(event as { curveNumber?: number }));
    this.plot.on('plotly_unhover', () => (this.hint.textContent = ''));
  }

  private hovered(event: { curveNumber?: number }): void {
    const trial = this.state.byNumber(this.figure?.trials[event.curveNumber ?? -1] ?? -1);
    this.hint.textContent = trial
      ? `trial ${trial.number} · ${Object.entries(trial.params)
          .map(([name, value]) => `${name}=${String(value)}`)
          .join(' · ')} · ${String(trial.score)}`
      : '';
  }

  /** What was dragged is in the event; what the plot holds may be from before, or from an update since. */
  private readBrushes(changed: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(changed)) {
      const index = /^dimensions\[(\d+)\]\.constraintrange$/.exec(key)?.[1];
      const axis = index === undefined ? undefined : this.figure?.axes[Number(index)];
      if (axis) {
        this.brushes.set(axis.name, asRanges(value));
      }
    }
    this.apply();
  }

  private apply(): void {
    const figure = this.figure;
    if (!figure?.data[0]) {
      return;
    }
    if (!this.isBrushed) {
      if (this.state.brushed) {
        this.state.brush(null);
      }
      this.onBrush();
      return;
    }
    const dimensions = figure.data[0]['dimensions'] as Dimension[];
    const names = new Set<string>();
    figure.trials.forEach((number, row) => {
      const trial = this.state.byNumber(number);
      if (trial && this.passes(dimensions, figure.axes, row)) {
        names.add(trial.name);
      }
    });
    this.state.brush(names);
    this.onBrush();
  }

  private passes(dimensions: Dimension[], axes: Axis[], row: number): boolean {
    return axes.every((axis, index) => {
      const ranges = this.brushes.get(axis.name);
      const value = dimensions[index]?.values[row];
      return !ranges?.length || (value != null && ranges.some(([low, high]) => low <= value && value <= high));
    });
  }

  /** Rows selected in the table stand out: the axis of trials is brushed there, and no row is hidden for it. */
  private takeSelection(): void {
    const numbers = [...this.state.selected].flatMap(name => this.state.trials.get(name)?.number ?? []);
    const ranges = numbers.sort((a, b) => a - b).map((number): [number, number] => [number - 0.5, number + 0.5]);
    if (JSON.stringify(ranges) !== JSON.stringify(this.selectedRanges)) {
      this.selectedRanges = ranges;
      this.recolor();
    }
  }
}

/** Plotly gives one range, a list of ranges, either in a list of its own, or nothing. */
function asRanges(given: unknown): [number, number][] {
  let range = given;
  while (Array.isArray(range) && range.length === 1 && Array.isArray(range[0])) {
    [range] = range as unknown[];
  }
  if (!Array.isArray(range) || !range.length) {
    return [];
  }
  const list = Array.isArray(range[0]) ? (range as number[][]) : [range as number[]];
  return list.flatMap(([low, high]) => (low === undefined || high === undefined ? [] : [[low, high] as [number, number]]));
}
