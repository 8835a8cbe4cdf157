import { AxisChooser } from './axes';
import { METRIC, TRIAL, brushed } from './brushing';
import { h, number, throttled, valueText } from './dom';
import { trans } from './language';
import type { Figure, Ranges } from './protocol';
import type { Plotly, PlotlyElement } from './plotly';
import type { State } from './state';

const CONFIG = { displaylogo: false, responsive: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'] };
const WITHOUT_BAR = { ...CONFIG, displayModeBar: false };
const EVERY = 800;

type Scale = [number, string][];
// The best trials stand out most from either ground, and the worst can still be seen.
const ON_LIGHT: Scale = [[0, '#b5c92f'], [0.33, '#35b779'], [0.66, '#31688e'], [1, '#440154']];
const ON_DARK: Scale = [[0, '#7a68c4'], [0.33, '#4596b8'], [0.66, '#43c286'], [1, '#fde725']];

/** Lines that are drawn of a large sweep: more are a carpet, and take seconds. Of these, so many are the best ones. */
export const MOST_LINES = 800;
const BEST_LINES = 200;

type Options = Record<string, unknown>;

/** One figure that Python draws and plotly shows; asked for again while it can be seen and something has changed. */
export class Chart {
  readonly element: HTMLElement;
  protected readonly plot: PlotlyElement;
  protected readonly foot: HTMLElement;
  protected figure: Figure | null = null;
  protected plotly: Plotly | null = null;
  private readonly note = h('div', { class: 'wb-note', role: 'status' });
  private readonly none = h('div', { class: 'wb-none', hidden: true });
  private readonly refreshSoon = throttled(() => void this.refresh(), EVERY);
  private readonly sizes: ResizeObserver;
  private readonly looks: IntersectionObserver;
  private shown = false;
  private onScreen = false;
  private stale = true;
  private asking = false;
  private held = false;
  private options: Options = {};

  constructor(
    protected readonly state: State,
    private readonly kind: string,
    label: string
  ) {
    this.plot = h('div', { class: 'wb-plot', role: 'figure', 'aria-label': label }) as unknown as PlotlyElement;
    this.foot = h('div', { class: 'wb-foot' }, this.note);
    this.element = h('div', { class: 'wb-chart' }, this.plot, this.none, this.foot);
    state.onChange(() => this.outdated());
    this.sizes = new ResizeObserver(() => {
      if (this.plotly && this.figure && this.visible && this.plot.clientWidth > 0) {
        this.plotly.Plots.resize(this.plot);
      }
    });
    this.sizes.observe(this.plot);
    // A long notebook has many views: those that are scrolled away cost nothing.
    this.looks = new IntersectionObserver(entries => {
      this.onScreen = entries.at(-1)?.isIntersecting ?? false;
      if (this.visible && this.stale) {
        void this.refresh();
      }
    });
    this.looks.observe(this.element);
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

  private get visible(): boolean {
    return this.shown && this.onScreen;
  }

  show(visible: boolean): void {
    this.shown = visible;
    if (this.visible && this.stale) {
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
    if (!this.visible) {
      this.stale = true;
    } else if (this.figure && this.plotly) {
      void this.draw(this.figure, this.plotly);
    }
  }

  destroy(): void {
    this.refreshSoon.cancel();
    window.removeEventListener('pointerup', this.release);
    this.sizes.disconnect();
    this.looks.disconnect();
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

  /** What is drawn of a figure, and in which order. */
  protected arranged(figure: Figure): Figure {
    return figure;
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

  private tellWhatIsMissing(figure: Figure): void {
    const empty = !figure.data.length || (figure.data[0]?.['type'] === 'parcoords' && !figure.trials.length);
    this.plot.hidden = empty;
    this.none.hidden = !empty;
    this.none.classList.toggle('wb-low', this.state.isFinished); // nothing comes any more that would need the room
    this.none.textContent = empty ? this.emptiness(figure) : '';
    this.note.textContent = empty ? '' : figure.note;
  }

  /** Why nothing is drawn, and what would be. */
  private emptiness(figure: Figure): string {
    const { header, trials, isFinished } = this.state;
    const metric = header?.metric?.name;
    if (this.kind === 'importance' && trials.size) {
      return figure.note;
    }
    if (metric === undefined) {
      return isFinished
        ? trans.__('No metric is logged. Each one that the code logs, with mlflow.log_metric or workbench.log, is a curve here.')
        : trans.__('No metric is logged yet. Each one that the code logs, with mlflow.log_metric or workbench.log, is a curve here.');
    }
    if (!trials.size) {
      return isFinished ? trans.__('No trial was started.') : trans.__('No trial has started yet. Each one is drawn here once it logs “%1”.', metric);
    }
    if ([...trials.values()].some(trial => trial.diverged)) {
      return isFinished
        ? trans.__('All values of “%1” are NaN or infinite: there is nothing to draw.', metric)
        : trans.__('All values of “%1” so far are NaN or infinite: there is nothing to draw.', metric);
    }
    return isFinished
      ? trans.__('No trial has logged “%1”. The log of a trial may say why.', metric)
      : trans.__('No trial has logged “%1” yet.', metric);
  }

  private async refresh(): Promise<void> {
    if (this.asking || this.held || !this.visible || !this.state.header) {
      return;
    }
    this.asking = true;
    this.stale = false;
    if (!this.figure) {
      this.none.textContent = this.kind === 'importance' ? trans.__('Working out which parameters matter: some seconds the first time …') : trans.__('Drawing …');
      this.none.hidden = false;
      this.plot.hidden = true;
    }
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
      this.figure = this.arranged(figure);
      this.tellWhatIsMissing(figure);
      await this.draw(this.figure, plotly);
      if (first) {
        this.prepared(plotly);
      }
    } catch (error) {
      (this.figure ? this.note : this.none).textContent = error instanceof Error ? error.message : String(error);
    } finally {
      this.asking = false;
      if (this.stale) {
        this.outdated();
      }
    }
  }
}

interface Dimension {
  label: string;
  name?: string;
  values: (number | null)[];
  constraintrange?: number[] | number[][];
}

/** Parallel coordinates, whose brushes survive updates and choose rows of the table, and the other way round. */
export class ParallelChart extends Chart {
  readonly axes: AxisChooser;
  private readonly brushes = new Map<string, [number, number][]>();
  private readonly hint = h('div', { class: 'wb-hint', 'aria-live': 'polite' });
  /** The selected trials as parts of their axis; neighbours are one part, as plotly makes them. */
  private marks: [number, number][] = [];
  private top: number | null = null;
  /** Rows of the figure that are drawn; a brush means all of them. */
  private drawn: number[] = [];
  private all = false;
  private part = '';

  constructor(
    state: State,
    private readonly onBrush: () => void,
    width: number
  ) {
    super(state, 'parallel', trans.__('Parallel coordinates: one line for each trial through its parameters to the primary metric'));
    this.axes = new AxisChooser(key => this.title(key), () => this.chooseAxes(), width);
    this.foot.append(this.hint);
    const offer = (): void => this.axes.offer(state.header?.axes.map(axis => axis.name) ?? []);
    state.onChange(offer);
    offer();
    super.set({ params: this.axes.chosen() });
    state.onChange(() => this.apply()); // also while another tab is shown: the table below follows the brush
    state.onSelection(() => this.takeSelection());
  }

  /** Draw all lines, however many, or a part of very many. */
  drawAll(all: boolean): void {
    this.all = all;
    this.recolor();
  }

  /** Draw only so many of the best trials, and let a brush mean these. */
  drawTop(top: number | null): void {
    this.top = top;
    this.set({ top });
    this.apply();
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
    this.setBrush(axis, ranges);
    this.apply();
    this.recolor();
  }

  private title(key: string): string {
    return key === TRIAL ? trans.__('trial') : key === METRIC ? (this.state.header?.metric?.name ?? trans.__('metric')) : key;
  }

  /** A brush goes with its axis: what cannot be seen must not hide rows, nor narrow the search. */
  private chooseAxes(): void {
    const keys = new Set(this.axes.keys());
    [...this.brushes.keys()].filter(key => !keys.has(key)).forEach(key => this.brushes.delete(key));
    if (this.figure && this.axes.chosen().every(key => this.figure?.axes.some(axis => axis.name === key))) {
      this.figure = this.arranged(this.figure);
      this.recolor();
    }
    this.set({ params: this.axes.chosen() });
  }

  /** The axes in the chosen order; the first and the last that Python sends are the trial's number and the metric. */
  protected override arranged(figure: Figure): Figure {
    const [trace] = figure.data;
    if (!trace) {
      return figure;
    }
    const dimensions = trace['dimensions'] as Dimension[];
    const found = new Map(
      figure.axes.map((axis, index) => {
        const named = dimensions[index]?.name;
        const key = named ?? (index === 0 ? TRIAL : index === figure.axes.length - 1 ? METRIC : axis.name);
        return [key, { axis: { ...axis, name: key }, dimension: { ...dimensions[index], name: key } }];
      })
    );
    const chosen = this.axes.keys().flatMap(key => found.get(key) ?? []);
    return {
      ...figure,
      axes: chosen.map(entry => entry.axis),
      data: [{ ...trace, dimensions: chosen.map(entry => entry.dimension) }]
    };
  }

  protected override layout(figure: Figure): Record<string, unknown> {
    const { xaxis: _x, yaxis: _y, ...layout } = super.layout(figure);
    return layout;
  }

  protected override async draw(figure: Figure, plotly: Plotly): Promise<void> {
    const [trace] = figure.data;
    if (trace) {
      const line = trace['line'] as { color: number[] };
      this.drawn = this.rowsToDraw(line.color);
      const isPart = this.drawn.length < figure.trials.length;
      const only = <T>(values: T[]): T[] => (isPart ? this.drawn.map(row => values[row] as T) : values);
      this.part = isPart ? trans.__('%1 of %2 lines: the best %3 and a sample of the others; a brush means all', this.drawn.length, figure.trials.length, BEST_LINES) : '';
      this.unhovered();
      const dimensions = (trace['dimensions'] as Dimension[]).map((dimension, index) => {
        const axis = figure.axes[index]?.name ?? '';
        const ranges = this.brushes.get(axis) ?? (axis === TRIAL ? this.marks : undefined);
        const { constraintrange: _, ...given } = dimension;
        const rest = { ...given, values: only(given.values) };
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
              line: { ...line, color: only(line.color), colorscale: isDark(style.backgroundColor) ? ON_DARK : ON_LIGHT },
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

  /** All rows; of very many the best ones, the selected ones, and some of the others, spread over their ranks. */
  private rowsToDraw(scores: number[]): number[] {
    const rows = scores.map((_, row) => row);
    if (this.all || rows.length <= MOST_LINES) {
      return rows;
    }
    const sign = this.state.header?.metric?.goal === 'minimize' ? 1 : -1;
    const ranked = rows.toSorted((a, b) => sign * ((scores[a] ?? 0) - (scores[b] ?? 0)));
    const chosen = new Set(ranked.slice(0, BEST_LINES));
    const rest = ranked.slice(BEST_LINES);
    const wanted = MOST_LINES - BEST_LINES;
    for (let index = 0; index < wanted; index += 1) {
      chosen.add(rest[Math.floor((index * rest.length) / wanted)] ?? 0);
    }
    this.figure?.trials.forEach((number, row) => {
      if (this.state.selected.has(this.state.byNumber(number)?.name ?? '')) {
        chosen.add(row);
      }
    });
    return rows.filter(row => chosen.has(row));
  }

  protected override prepared(plotly: Plotly): void {
    super.prepared(plotly);
    this.plot.on('plotly_restyle', event => this.readBrushes((event as [Record<string, unknown>])[0]));
    this.plot.on('plotly_hover', event => this.hovered(event as { curveNumber?: number }));
    this.plot.on('plotly_unhover', () => this.unhovered());
  }

  private unhovered(): void {
    this.hint.textContent = this.part;
  }

  private hovered(event: { curveNumber?: number }): void {
    const trial = this.state.byNumber(this.figure?.trials[this.drawn[event.curveNumber ?? -1] ?? -1] ?? -1);
    this.hint.textContent = trial
      ? [
          trans.__('trial %1', trial.number),
          ...Object.entries(trial.params).map(([name, value]) => `${name}=${valueText(value)}`),
          number(trial.score)
        ].join(' · ')
      : this.part;
  }

  /** What was dragged is in the event; what the plot holds may be from before, or from an update since. */
  private readBrushes(changed: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(changed)) {
      if (key === 'dimensions') {
        this.axesDragged((value as Dimension[][])[0] ?? []);
        return;
      }
      const index = /^dimensions\[(\d+)\]\.constraintrange$/.exec(key)?.[1];
      const axis = index === undefined ? undefined : this.figure?.axes[Number(index)];
      if (axis?.name === TRIAL && !this.brushes.has(TRIAL)) {
        this.readMarks(asRanges(value));
      } else if (axis) {
        this.setBrush(axis.name, asRanges(value));
      }
    }
    this.apply();
    if (!this.brushes.has(TRIAL) && this.marks.length) {
      this.recolor(); // what is selected is marked again
    }
  }

  /** An axis without a brush is not in there: that of the trials then shows what is selected. */
  private setBrush(axis: string, ranges: [number, number][]): void {
    if (ranges.length) {
      this.brushes.set(axis, ranges);
    } else {
      this.brushes.delete(axis);
    }
  }

  /** What is there beside the marks of what is selected is a brush; a mark that is gone was clicked away. */
  private readMarks(ranges: [number, number][]): void {
    const numbers = this.figure?.trials ?? [];
    const covers = ([low, high]: [number, number], number: number): boolean => low <= number && number <= high;
    const inside = (range: [number, number]): string => numbers.filter(number => covers(range, number)).join();
    const marked = new Set(this.marks.map(inside));
    this.setBrush(TRIAL, ranges.filter(range => !marked.has(inside(range))));
    const gone = new Set(numbers.filter(number => !ranges.some(range => covers(range, number))));
    const kept = [...this.state.selected].filter(name => !gone.has(this.state.trials.get(name)?.number ?? -1));
    if (kept.length < this.state.selected.size) {
      this.state.select(kept);
    }
  }

  /** Plotly has moved its axes already; what is known of the figure follows. */
  private axesDragged(dimensions: Dimension[]): void {
    this.axes.reorder(dimensions.flatMap(dimension => dimension.name ?? []));
    if (this.figure) {
      this.figure = this.arranged(this.figure);
    }
  }

  private apply(): void {
    const { header, trials } = this.state;
    if (header) {
      this.state.brush(this.isBrushed ? brushed(trials.values(), header, this.brushes, this.top) : null);
      this.onBrush();
    }
  }

  /** Rows selected in the table stand out: the axis of trials is brushed there, and no row is hidden for it. */
  private takeSelection(): void {
    const numbers = [...this.state.selected].flatMap(name => this.state.trials.get(name)?.number ?? []);
    const marks: [number, number][] = [];
    for (const number of numbers.sort((a, b) => a - b)) {
      const last = marks.at(-1);
      if (last?.[1] === number - 0.5) {
        last[1] = number + 0.5;
      } else {
        marks.push([number - 0.5, number + 0.5]);
      }
    }
    if (JSON.stringify(marks) !== JSON.stringify(this.marks)) {
      this.marks = marks;
      this.recolor();
    }
  }
}

/** Whether a colour, as the browser computes it, is nearer to black than to white. */
function isDark(color: string): boolean {
  const [red = 255, green = 255, blue = 255] = (/^rgba?\(([^)]*)\)/.exec(color)?.[1] ?? '').split(/[ ,]+/).filter(Boolean).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
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
