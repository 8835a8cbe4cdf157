import { askForCell } from './asking';
import { Chart, MOST_LINES, ParallelChart } from './charts';
import { duration, gigabytes, h, number, popup, status, throttled, valueText } from './dom';
import { trans } from './language';
import { LogPanel, OutputsPanel, RegisterPanel, UsagePanel, factsTable, type Opener, type Panel } from './panels';
import type { Gpu, Machine } from './protocol';
import { State } from './state';
import { steadily } from './steady';
import { STYLES } from './styles';
import { TrialTable } from './table';
import type { Transport } from './transport';

export { SocketTransport, type Transport } from './transport';
export { plotlyOnce } from './plotly';

/** The last state as it lies in a saved document. */
export interface Keeper {
  /** What is kept now. */
  html: string;
  /** Keep this instead, by MIME type. */
  keep(data: Record<string, string>): void;
}

type Focused = (trial: string | null) => void;

/**
 * Put a live view of a job into `parent`; the function that is returned takes it away again.
 *
 * @param keeper is handed the last state once the job has ended.
 * @param focused is told of the trial that log, outputs and registration are about, when it is another one.
 * @param open opens what a job or trial has executed, where the page around can.
 */
export function mount(parent: HTMLElement, transport: Transport, keeper?: Keeper, focused?: Focused, open?: Opener): () => void {
  const view = new View(transport, keeper, focused, open);
  parent.append(view.element);
  return () => view.destroy();
}

const ORDER = ['Completed', 'Canceled', 'Failed', 'Running'];
const CLOCK_EVERY = 1000;
const MOST_GPUS = 2;
const MACHINE_EVERY = 3; // seconds
let lastId = 0;

class View {
  readonly element = h('div', { class: 'wb-view' });
  private readonly state: State;
  private readonly head = h('div', { class: 'wb-head' });
  private readonly bar = h('div', { class: 'wb-progress', 'aria-hidden': 'true' });
  private readonly body = h('div', { class: 'wb-body' });
  private readonly message = h('div', { class: 'wb-message', role: 'status', hidden: true });
  private readonly id = `wb-${++lastId}`;
  private readonly panels: { name: string; title: string; panel: Panel }[] = [];
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly clock: number;
  private readonly themes: MutationObserver;
  /** A change of theme is several changes of the page. */
  private readonly recolor = throttled(() => this.panels.forEach(({ panel }) => panel.recolor?.()), 100);
  private readonly drawHead = throttled(steadily(this.head, () => this.showHead()), 150);
  private tabs: HTMLElement | null = null;
  private table: TrialTable | null = null;
  private parallel: ParallelChart | null = null;
  private shown = '';
  private built = false;
  private machine: Machine | null = null;
  private ticks = 0;
  private kept = false;

  constructor(
    transport: Transport,
    private readonly keeper?: Keeper,
    focused?: Focused,
    private readonly open?: Opener
  ) {
    this.state = new State(transport);
    this.element.append(h('style', {}, STYLES), this.head, this.bar, this.message, this.body);
    this.head.append(h('span', { class: 'wb-dim' }, trans.__('Connecting …')));
    void transport.loadPlotly().catch(() => undefined); // begun early; a chart that needs it says what went wrong
    this.state.onChange(() => {
      this.build();
      this.drawHead();
      this.keepLastState();
    });
    if (focused) {
      this.tellFocus(focused);
    }
    this.state.onLink(() => this.showLink());
    this.clock = window.setInterval(() => this.tick(), CLOCK_EVERY);
    this.themes = new MutationObserver(() => this.recolor());
    for (const element of [document.body, document.documentElement]) {
      this.themes.observe(element, { attributes: true, attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name', 'class', 'data-vscode-theme-id'] });
    }
  }

  private tellFocus(focused: Focused): void {
    let told: string | null | undefined;
    const tell = (): void => {
      if (this.state.header && this.state.focus !== told) {
        told = this.state.focus;
        focused(told);
      }
    };
    this.state.onSelection(tell);
    this.state.onChange(tell);
  }

  destroy(): void {
    window.clearInterval(this.clock);
    this.drawHead.cancel();
    this.recolor.cancel();
    this.themes.disconnect();
    this.panels.forEach(({ panel }) => panel.destroy?.());
    this.table?.destroy();
    this.state.close();
    this.element.remove();
  }

  /** The clocks in head and table run, and now and then the machine is looked at, while anybody can see it. */
  private tick(): void {
    if (this.state.isFinished || !this.state.header) {
      return;
    }
    this.drawHead();
    this.table?.tick();
    if (this.state.linked && ++this.ticks % MACHINE_EVERY === 0) {
      this.lookAtMachine();
    }
  }

  private lookAtMachine(): void {
    if (!this.state.isFinished && this.element.checkVisibility() && !document.hidden) {
      void this.state.ask('machine', {}).then(
        machine => {
          this.machine = machine;
          this.drawHead();
        },
        () => (this.machine = null) // what cannot be told is left out; the view itself goes on
      );
    }
  }

  /** What a saved notebook holds is brought up to date once the job has ended; not before, or it would never be clean. */
  private keepLastState(): void {
    const finished = this.state.isFinished;
    if (this.keeper && finished && !this.kept) {
      void this.state.ask('snapshot', {}).then(
        data => {
          if (this.keeper && stamp(data['text/html'] ?? '') !== stamp(this.keeper.html)) {
            this.keeper.keep(data);
          }
        },
        () => (this.kept = false) // the view was closed, or its connection broke: the next change asks again
      );
    }
    this.kept = finished;
  }

  private build(): void {
    const header = this.state.header;
    if (this.built || !header) {
      return;
    }
    this.built = true;
    if (header.type === 'sweep') {
      this.buildSweep();
    } else {
      this.buildJob();
    }
    this.select(this.panels[0]?.name ?? '');
    this.lookAtMachine(); // at once: what comes a second later moves everything below the head
  }

  private buildSweep(): void {
    this.parallel = new ParallelChart(this.state, () => this.brushChanged(), this.element.clientWidth);
    const curves = new Chart(this.state, 'curves', trans.__('The metric of each trial over its steps'));
    const scatter = new Chart(this.state, 'scatter', trans.__('The primary metric over one parameter'));
    const progress = new Chart(this.state, 'progress', trans.__('Each trial’s value, and the best so far'));
    for (const chart of [curves, progress, scatter]) {
      this.state.onSelection(() => chart.set({ selected: this.selectedNumbers() }));
    }
    this.add('parallel', trans.__('Parallel coordinates'), withTools(this.parallel, this.parallelTools()));
    this.add('curves', trans.__('Curves'), withTools(curves, this.curveTools(curves)));
    this.add('progress', trans.__('Progress'), progress);
    this.add('scatter', trans.__('Scatter'), withTools(scatter, this.scatterTools(scatter)));
    this.add('importance', trans.__('Importance'), new Chart(this.state, 'importance', trans.__('How much each parameter matters')));
    this.add('log', trans.__('Log'), new LogPanel(this.state));
    this.add('outputs', trans.__('Outputs'), new OutputsPanel(this.state, this.open));
    this.add('resources', trans.__('Resources'), new UsagePanel(this.state));
    this.add('register', trans.__('Register best model'), new RegisterPanel(this.state));
    this.table = new TrialTable(this.state);
    this.body.append(this.tabList(), ...this.panelElements(), this.tableTools(this.table), this.table.element);
  }

  private buildJob(): void {
    const curves = new Chart(this.state, 'curves', trans.__('The job’s metrics over their steps'));
    const facts = h('div', { class: 'wb-scroll' });
    const showFacts = (): void => {
      const header = this.state.header;
      facts.replaceChildren(
        factsTable([
          ...Object.entries(header?.params ?? {}).map(([name, value]): [string, string] => [name, valueText(value)]),
          [trans.__('experiment'), header?.experiment ?? '']
        ])
      );
    };
    showFacts();
    this.state.onChange(showFacts);
    this.add('log', trans.__('Log'), new LogPanel(this.state));
    this.add('curves', trans.__('Metrics'), curves);
    this.add('facts', trans.__('Parameters'), { element: facts, show: () => undefined });
    this.add('outputs', trans.__('Outputs'), new OutputsPanel(this.state, this.open));
    this.add('resources', trans.__('Resources'), new UsagePanel(this.state));
    this.add('register', trans.__('Register model'), new RegisterPanel(this.state));
    this.body.append(this.tabList(), ...this.panelElements());
  }

  private add(name: string, title: string, panel: Panel): void {
    this.panels.push({ name, title, panel });
  }

  // Tabs

  private tabList(): HTMLElement {
    this.tabs = h('div', { class: 'wb-tabs', role: 'tablist', 'aria-label': trans.__('views of the job') });
    this.panels.forEach(({ name, title }, index) => {
      const tab = h(
        'button',
        {
          type: 'button',
          role: 'tab',
          id: `${this.id}-tab-${name}`,
          'aria-controls': `${this.id}-${name}`,
          'data-tab': name,
          click: () => this.select(name),
          keydown: event => {
            const step = { ArrowRight: 1, ArrowLeft: -1 }[(event as KeyboardEvent).key];
            if (step) {
              const next = this.panels[(index + step + this.panels.length) % this.panels.length];
              this.select(next?.name ?? '');
              this.tabs?.querySelector<HTMLElement>('[aria-selected=true]')?.focus();
            }
          }
        },
        title
      );
      this.tabs?.append(tab);
    });
    return this.tabs;
  }

  private panelElements(): HTMLElement[] {
    return this.panels.map(({ name, panel }) =>
      h('div', { class: 'wb-panel', role: 'tabpanel', id: `${this.id}-${name}`, 'aria-labelledby': `${this.id}-tab-${name}`, 'data-panel': name, hidden: true }, panel.element)
    );
  }

  private select(name: string): void {
    this.shown = name;
    this.tabs?.querySelectorAll<HTMLElement>('[role=tab]').forEach(tab => {
      const selected = tab.dataset['tab'] === name;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
    });
    this.body.querySelectorAll<HTMLElement>(':scope > .wb-panel').forEach(panel => (panel.hidden = panel.dataset['panel'] !== name));
    this.panels.forEach(entry => entry.panel.show(entry.name === this.shown));
  }

  // Head

  private showHead(): void {
    const header = this.state.header;
    if (!header) {
      return;
    }
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['action'] : undefined;
    const elapsed = this.state.elapsed(header);
    const ended = ORDER.slice(0, 3).reduce((sum, name) => sum + (header.counts[name] ?? 0), 0);
    const running = header.counts['Running'] ?? 0;
    const facts: (HTMLElement | null)[] = [
      fact('', status(header.held && !this.state.isFinished ? `${header.status}` : header.status)),
      header.held && !this.state.isFinished ? fact('', trans.__('‖ paused')) : null,
      header.type === 'sweep' ? fact(trans.__('trials'), trans.__('%1 of %2', ended, header.total ?? '?'), running ? ` · ${trans._n('%1 running', '%1 running', running)}` : '') : null,
      header.type === 'sweep' ? fact(trans.__('best %1', header.metric?.name ?? ''), number(header.best?.score), header.best ? ` · ${trans.__('trial %1', header.best.number)}` : '') : null,
      elapsed === null ? null : fact(trans.__('time'), duration(elapsed)),
      header.remaining === null ? null : fact(trans.__('about'), duration(header.remaining), ` ${trans.__('left')}`),
      ...(this.machine && !this.state.isFinished ? machineFacts(this.machine) : [])
    ];
    this.head.replaceChildren(
      h('span', { class: 'wb-title' }, header.displayName || header.name, h('small', {}, header.displayName && header.displayName !== header.name ? header.name : header.type)),
      ...facts.filter(entry => entry !== null),
      this.actions()
    );
    if (focused) {
      this.head.querySelector<HTMLElement>(`[data-action="${focused}"]`)?.focus();
    }
    const total = Math.max(header.total ?? 0, this.state.trials.size, 1);
    this.bar.replaceChildren(...ORDER.map(name => {
      const part = h('i', { class: `wb-${name}` });
      part.style.width = `${(100 * (header.counts[name] ?? 0)) / total}%`;
      return part;
    }));
    this.bar.hidden = header.type !== 'sweep';
    if (header.status === 'Failed' || (header.reason && !this.said)) {
      this.say(header.reason ?? '', header.status === 'Failed', false, header.status === 'Failed' ? header.error : null);
    }
  }

  private said = false;

  private actions(): HTMLElement {
    const header = this.state.header;
    const action = (id: string, title: string, run: () => Promise<string>, enabled = true): HTMLElement => {
      const button = h('button', { type: 'button', 'data-action': id, click: () => void this.act(button, run) }, title);
      button.disabled = !enabled || !this.state.linked;
      this.buttons.set(id, button);
      return button;
    };
    const finished = this.state.isFinished;
    const selected = [...this.state.selected].filter(name => !isOver(this.state.trials.get(name)?.status));
    const buttons: HTMLElement[] = [];
    if (header?.type === 'sweep') {
      if (selected.length) {
        buttons.push(action('stop-trials', selected.length === 1 ? trans.__('Stop trial %1', this.state.trials.get(selected[0] ?? '')?.number ?? '') : trans._n('Stop %1 trial', 'Stop %1 trials', selected.length), () => this.state.ask('cancel', { names: selected })));
      }
      if (!finished) {
        buttons.push(header.held ? action('resume', trans.__('Resume'), () => this.state.ask('resume', {})) : action('pause', trans.__('Pause'), () => this.state.ask('pause', {})));
      }
      buttons.push(action('more', trans.__('More trials'), () => this.more()));
    }
    if (!finished) {
      buttons.push(action('stop', header?.type === 'sweep' ? trans.__('Stop sweep') : trans.__('Stop'), () => this.stop()));
    } else {
      buttons.push(action('rerun', trans.__('Rerun'), () => this.rerun()));
    }
    const duplicate = action('duplicate', trans.__('Duplicate'), () => this.duplicate());
    duplicate.title = trans.__('Open the builder, filled with all this was submitted with');
    buttons.push(duplicate);
    return h('span', { class: 'wb-actions' }, ...buttons);
  }

  private async act(button: HTMLButtonElement, run: () => Promise<string>): Promise<void> {
    button.disabled = true;
    try {
      const told = await run();
      if (told) {
        this.say(told, false);
      }
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
    } finally {
      this.drawHead();
    }
  }

  /** Say something below the head; of an error's trace the end is in sight, for that is where the cause is. */
  private say(text: string, isError: boolean, asked = true, trace: string | null = null): void {
    this.said = asked;
    if (this.message.textContent !== text + (trace ?? '')) {
      const lines = trace ? [h('div', { class: 'wb-trace', tabindex: 0, role: 'region', 'aria-label': trans.__('error') }, h('pre', {}, trace))] : [];
      this.message.replaceChildren(text, ...lines);
    }
    this.message.hidden = !text && !trace;
    this.message.classList.toggle('wb-error', isError);
  }

  private async stop(): Promise<string> {
    const running = this.state.header?.counts['Running'] ?? 0;
    const name = this.state.header?.name ?? '';
    const question =
      running > 1
        ? trans._n('Stop %2 and its %1 running trial? What has finished stays.', 'Stop %2 and its %1 running trials? What has finished stays.', running, name)
        : trans.__('Stop %1? What has finished stays.', name);
    const really = await this.confirm(question, trans.__('Stop it'));
    return really ? this.state.ask('cancel', {}) : '';
  }

  private async more(): Promise<string> {
    const input = h('input', { type: 'number', min: 1, value: 10, 'aria-label': trans.__('how many more trials') });
    const really = await this.confirm(trans.__('How many more trials?'), trans.__('Add them'), input);
    const trials = Math.round(Number(input.value));
    return really ? this.state.ask('extend', { trials }) : '';
  }

  private async rerun(): Promise<string> {
    const again = await this.state.ask('rerun', { trial: null });
    const drift = again.drift.length ? `\n${trans.__('Not as it was: %1', again.drift.join('; '))}` : '';
    return trans.__('Running again as %1', again.name) + drift;
  }

  /** The builder is a form of the kernel's: a cell opens it, where a cell can be put; else the code is there to copy. */
  private async duplicate(): Promise<string> {
    const source = await this.state.ask('builder', {});
    const cell = askForCell(this.element, { source, run: true });
    if (cell?.elsewhere !== undefined) {
      return cell.ran
        ? trans.__('The builder opens in a new cell of %1, with all this was submitted with.', cell.elsewhere)
        : trans.__('A new cell of %1 opens the builder, once a kernel is there to run it, with all this was submitted with.', cell.elsewhere);
    }
    if (cell) {
      return cell.ran
        ? trans.__('The builder opens in the cell below, with all this was submitted with.')
        : trans.__('The cell below opens the builder, once a kernel is there to run it, with all this was submitted with.');
    }
    const copy = h('button', { type: 'button', click: () => void navigator.clipboard.writeText(source).then(() => (copy.textContent = trans.__('Copied'))) }, trans.__('Copy'));
    this.say(trans.__('This opens the builder with all that was submitted:'), false);
    this.message.append(h('pre', { class: 'wb-code' }, source), copy);
    return '';
  }

  /** Ask in place: a dialog of the browser would block all of JupyterLab. */
  private confirm(question: string, yes: string, ...parts: HTMLElement[]): Promise<boolean> {
    return new Promise(resolve => {
      const answer = (value: boolean): void => {
        row.remove();
        resolve(value);
      };
      const row = h(
        'div',
        { class: 'wb-tools wb-confirm', role: 'alertdialog', 'aria-label': question, keydown: event => (event as KeyboardEvent).key === 'Escape' && answer(false) },
        h('span', {}, question),
        ...parts,
        h('button', { type: 'button', class: 'wb-primary', 'data-answer': 'yes', click: () => answer(true) }, yes),
        h('button', { type: 'button', click: () => answer(false) }, trans.__('No'))
      );
      row.style.paddingBottom = '6px';
      this.element.querySelector('.wb-confirm')?.remove();
      this.bar.after(row);
      (parts[0] ?? row.querySelector('button'))?.focus();
    });
  }

  private showLink(): void {
    if (this.state.gone !== null) {
      this.say(this.state.gone, true);
      this.head.replaceChildren(h('span', { class: 'wb-dim' }, trans.__('There is nothing to show')));
    } else if (!this.state.linked) {
      this.say(this.state.transport.lost?.() ?? trans.__('The connection is lost; trying again. The job itself does not need it.'), true);
    } else if (this.state.header) {
      this.say('', false, false);
    }
    this.drawHead();
  }

  // Tools of the tabs

  private parallelTools(): HTMLElement {
    const usual = h('option', { value: '' });
    const all = h('option', { value: 'all' }, trans.__('all trials, slowly'));
    const name = (): void => {
      const many = this.state.trials.size > MOST_LINES;
      usual.textContent = many ? trans.__('%1 of all trials', MOST_LINES) : trans.__('all trials');
      all.hidden = !many;
    };
    this.state.onChange(name);
    name();
    const top = h('select', { 'aria-label': trans.__('how many trials'), change: () => {
      this.parallel?.drawAll(top.value === 'all');
      this.parallel?.drawTop(Number(top.value) || null);
    } },
      usual, all, ...[10, 50, 200].map(count => h('option', { value: count }, trans.__('best %1', count))));
    const clear = h('button', { type: 'button', 'data-action': 'clear', click: () => this.parallel?.clear() }, trans.__('Clear brush'));
    const narrow = h('button', { type: 'button', 'data-action': 'narrow' }, trans.__('Narrow the search to this brush'));
    narrow.addEventListener('click', () => {
      const reason = this.whyNotNarrow();
      if (reason) {
        this.say(reason, false);
      } else {
        void this.act(narrow, () => this.state.ask('narrow', { ranges: this.parallel?.ranges() ?? {} })).then(() => this.brushChanged());
      }
    });
    this.buttons.set('clear', clear);
    this.buttons.set('narrow', narrow);
    this.brushChanged();
    return h('div', { class: 'wb-tools' }, top, this.parallel?.axes.element ?? null, clear, narrow, h('span', { class: 'wb-dim' }, trans.__('drag along an axis to brush, its name to move it')));
  }

  private brushChanged(): void {
    const brushed = this.parallel?.isBrushed ?? false;
    const clear = this.buttons.get('clear');
    const narrow = this.buttons.get('narrow');
    if (clear && narrow) {
      clear.disabled = !brushed;
      const reason = this.whyNotNarrow();
      narrow.disabled = !brushed;
      // Not disabled where something is brushed: a button that is tells nobody why.
      narrow.setAttribute('aria-disabled', String(reason !== null));
      narrow.title = reason ?? trans.__('Draw the trials yet to come from the brushed ranges only');
    }
  }

  /** Why the search cannot be narrowed to what is brushed; null when it can. */
  private whyNotNarrow(): string | null {
    if (!this.parallel?.isBrushed) {
      return trans.__('Nothing is brushed: drag along the axis of a parameter');
    }
    if (!Object.keys(this.parallel.ranges()).length) {
      return trans.__('No parameter is brushed, and only parameters can be narrowed: brush also the axes on which these trials lie close together');
    }
    return this.state.linked ? null : trans.__('The connection is lost');
  }

  private selectedNumbers(): number[] {
    return [...this.state.selected].flatMap(name => this.state.trials.get(name)?.number ?? []);
  }

  private curveTools(chart: Chart): HTMLElement {
    const metric = h('select', { 'aria-label': trans.__('metric'), change: () => chart.set({ metric: metric.value }) });
    const fill = (): void => {
      void this.state.ask('metrics', {}).then(names => {
        if (names.length !== metric.options.length) {
          const chosen = metric.value;
          metric.replaceChildren(...names.map(name => h('option', { value: name }, name)));
          metric.value = names.includes(chosen) ? chosen : (names[0] ?? '');
        }
      });
    };
    metric.addEventListener('pointerdown', fill);
    metric.addEventListener('focus', fill);
    const named = this.state.header?.metric?.name ?? '';
    metric.append(h('option', { value: named }, named));
    const over = h('select', { 'aria-label': trans.__('horizontal axis'), change: () => chart.set({ over: over.value }) }, h('option', { value: 'step' }, trans.__('over steps')), h('option', { value: 'time' }, trans.__('over time')));
    const log = h('input', { type: 'checkbox', change: () => chart.set({ log: log.checked }) });
    return h('div', { class: 'wb-tools' }, metric, over, h('label', {}, log, trans.__('logarithmic')));
  }

  private scatterTools(chart: Chart): HTMLElement {
    const param = h('select', { 'aria-label': trans.__('parameter'), change: () => chart.set({ param: param.value }) },
      ...(this.state.header?.axes ?? []).map(axis => h('option', { value: axis.name }, axis.name)));
    return h('div', { class: 'wb-tools' }, h('label', {}, trans.__('parameter'), param));
  }

  private tableTools(table: TrialTable): HTMLElement {
    const count = h('span', { class: 'wb-dim', role: 'status' });
    const search = h('input', { type: 'search', placeholder: trans.__('search trials'), 'aria-label': trans.__('search trials'), input: () => table.quickFilter(search.value) });
    const list = h('div', {});
    const columns = popup(trans.__('columns'), 'wb-columns', list, () => {
      list.replaceChildren(...table.columnList().map(column => {
        const box = h('input', { type: 'checkbox', checked: column.visible, change: () => table.setVisible(column.id, box.checked) });
        return h('label', {}, box, column.title);
      }));
    });
    const filters = h('button', { type: 'button', 'aria-pressed': 'false', click: () => {
      const visible = filters.getAttribute('aria-pressed') !== 'true';
      filters.setAttribute('aria-pressed', String(visible));
      table.showFilters(visible);
    } }, trans.__('Filter'));
    const pin = h('button', { type: 'button', click: () => this.state.selected.forEach(name => {
      const trial = this.state.trials.get(name);
      if (trial) {
        table.togglePin(trial);
      }
    }) }, trans.__('Pin'));
    const tell = (): void => {
      const chosen = this.state.selected.size ? ` · ${trans._n('%1 selected', '%1 selected', this.state.selected.size)}` : '';
      const brushed = this.state.brushed ? ` · ${trans._n('%1 in the brush', '%1 in the brush', this.state.brushed.size)}` : '';
      count.textContent = trans._n('%1 trial', '%1 trials', this.state.trials.size) + brushed + chosen;
      pin.disabled = this.state.selected.size === 0;
      this.drawHead();
    };
    this.state.onSelection(tell);
    this.state.onChange(tell);
    tell();
    const tools = h('div', { class: 'wb-tools' }, search, filters, pin, columns, count);
    tools.style.paddingBottom = '6px';
    return tools;
  }
}

function fact(label: string, ...value: (Node | string)[]): HTMLElement {
  const [first, ...rest] = value;
  return h('span', { class: 'wb-fact' }, h('span', {}, label ? `${label} ` : ''), h('b', {}, first ?? ''), ...rest);
}

function withTools(chart: Chart, tools: HTMLElement): Panel {
  return {
    element: h('div', {}, tools, chart.element),
    show: visible => chart.show(visible),
    recolor: () => chart.recolor(),
    destroy: () => chart.destroy()
  };
}

function isOver(value: string | undefined): boolean {
  return value === undefined || ['Completed', 'Failed', 'Canceled'].includes(value);
}

function machineFacts({ slots, gpus }: Machine): HTMLElement[] {
  const used = fact(trans.__('slots'), trans.__('%1 of %2', slots.used, slots.total));
  used.title = trans.__('trials of this workspace that run at once');
  return [used, ...(gpus.length > MOST_GPUS ? [allGpus(gpus)] : gpus.map(gpuFact))];
}

function gpuFact(gpu: Gpu): HTMLElement {
  const element = fact(gpu.label, gpu.busy === null ? '' : `${gpu.busy} %`, `${gpu.busy === null ? '' : ', '}${ofMemory(gpu)}`);
  element.title = gpu.name;
  return element;
}

function ofMemory(gpu: Gpu): string {
  return trans.__('%1 of %2 GB', gigabytes(gpu.used), gigabytes(gpu.total));
}

/** Many GPUs as one: the mean, and each of them for who points at it. */
function allGpus(gpus: Gpu[]): HTMLElement {
  const told = gpus.filter(gpu => gpu.busy !== null);
  const sum = (of: (gpu: Gpu) => number): number => gpus.reduce((total, gpu) => total + of(gpu), 0);
  const busy = told.length ? Math.round(sum(gpu => gpu.busy ?? 0) / told.length) : null;
  const element = gpuFact({ label: trans._n('%1 GPU', '%1 GPUs', gpus.length), name: '', busy, used: sum(gpu => gpu.used), total: sum(gpu => gpu.total) });
  element.title = gpus.map(gpu => `${gpu.label} (${gpu.name}): ${gpu.busy ?? '–'} %, ${ofMemory(gpu)}`).join('\n');
  return element;
}

/** What a snapshot is of: two with the same stamp differ in nothing but the time they were made. */
function stamp(html: string): string {
  return /data-of="([^"]*)"/.exec(html)?.[1] ?? '';
}
