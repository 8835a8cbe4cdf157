import { bytes, h, number, throttled, valueText } from './dom';
import { trans } from './language';
import type { Candidate, Goal, LogPart, MetricValue, Outputs, Registered, Usage } from './protocol';
import type { State } from './state';

/** One tab's content. */
export interface Panel {
  readonly element: HTMLElement;
  show(visible: boolean): void;
  recolor?(): void;
  destroy?(): void;
}

/** Opens the executed notebook of a job or trial; false where nobody can. */
export type Opener = (job: string) => boolean;

const FOLLOW_EVERY = 400;
const USAGE_EVERY = 2000;
const LOOK_EVERY = 1000;
const MOST_METRICS = 8;

function problem(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The log of the chosen trial, followed while it grows. */
export class LogPanel implements Panel {
  readonly element: HTMLElement;
  private readonly text = h('pre', { class: 'wb-text', tabindex: 0, role: 'region', 'aria-label': trans.__('log') });
  private readonly title = h('span', { class: 'wb-dim' });
  private readonly nothing = h('span', { class: 'wb-dim' });
  /** Whose log is followed; where nobody has chosen one it is the server's choice, and stays. */
  private trial: string | null = null;
  private attempt = 0;
  /** The byte up to which it is shown; null before anything is. */
  private end: number | null = null;
  /** Counts the logs: an answer that was asked for another one is dropped. */
  private log = 0;
  private timer = 0;
  private visible = false;
  private busy = false;

  constructor(private readonly state: State) {
    this.element = h('div', {}, h('div', { class: 'wb-tools' }, this.title), this.text);
    state.onSelection(() => this.visible && this.open());
  }

  show(visible: boolean): void {
    this.visible = visible;
    if (visible) {
      this.open();
    } else {
      window.clearTimeout(this.timer);
    }
  }

  destroy(): void {
    this.visible = false;
    window.clearTimeout(this.timer);
  }

  private open(): void {
    const over = this.isSweep && this.state.isOver(this.trial);
    const trial = this.state.focus ?? (over ? null : this.trial);
    if (trial !== this.trial || this.end === null) {
      this.begin(trial);
    }
    void this.follow();
  }

  private get isSweep(): boolean {
    return this.state.header?.type === 'sweep';
  }

  private begin(trial: string | null): void {
    this.log += 1;
    this.trial = trial;
    this.end = null;
    this.text.textContent = '';
    this.showTitle();
  }

  private showTitle(): void {
    this.title.textContent = this.trial && this.isSweep ? trans.__('%1 · select another row of the table to see its log', this.trial) : trans.__('standard output and error');
  }

  private async follow(): Promise<void> {
    window.clearTimeout(this.timer);
    if (this.busy || !this.visible) {
      return;
    }
    this.busy = true;
    const asked = this.log;
    try {
      const part = await this.state.ask('log', { trial: this.trial, offset: this.end });
      if (asked === this.log) {
        this.take(part);
      }
    } catch (error) {
      if (asked === this.log) {
        this.end = null; // what is said stands in the place of the log, which begins anew
        this.text.textContent = problem(error);
      }
    } finally {
      this.busy = false;
      if (asked !== this.log) {
        void this.follow();
      } else if (this.visible) {
        this.timer = window.setTimeout(() => void this.follow(), FOLLOW_EVERY);
      }
    }
  }

  private take(part: LogPart): void {
    if (this.end !== null && (part.attempt !== this.attempt || part.begin !== this.end)) {
      this.begin(part.trial); // tried again, or cut: the bytes before are of another log
      return;
    }
    if (this.trial !== part.trial) {
      this.trial = part.trial;
      this.showTitle();
    }
    this.attempt = part.attempt;
    const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 30;
    if (this.end === null) {
      this.text.textContent = part.begin ? `${trans.__('… the beginning is in the trial’s folder')}\n` : '';
    }
    this.end = part.end;
    if (part.text) {
      this.nothing.remove();
      this.text.append(part.text);
    } else if (!this.text.hasChildNodes() || this.nothing.isConnected) {
      this.nothing.textContent = this.state.isOver(this.trial) ? trans.__('It has printed nothing') : trans.__('Nothing is printed yet');
      this.text.replaceChildren(this.nothing);
    }
    if (atEnd) {
      this.text.scrollTop = this.text.scrollHeight;
    }
  }
}

/** What running trials use of the machine. */
export class UsagePanel implements Panel {
  readonly element = h('div', { class: 'wb-scroll' });
  private before = new Map<string, { at: number; cpu: number }>();
  private timer = 0;
  private visible = false;

  constructor(private readonly state: State) {}

  show(visible: boolean): void {
    this.visible = visible;
    window.clearTimeout(this.timer);
    if (visible) {
      void this.refresh();
    }
  }

  destroy(): void {
    window.clearTimeout(this.timer);
  }

  private async refresh(): Promise<void> {
    try {
      const rows = await this.state.ask('usage', {});
      this.element.replaceChildren(rows.length ? this.table(rows) : h('div', { class: 'wb-message wb-dim' }, trans.__('Nothing runs now. What running trials use of processors, memory and GPUs is shown here.')));
    } catch (error) {
      this.element.replaceChildren(h('div', { class: 'wb-message wb-error' }, problem(error)));
    }
    if (this.visible) {
      this.timer = window.setTimeout(() => void this.refresh(), USAGE_EVERY);
    }
  }

  private table(rows: Usage[]): HTMLElement {
    const now = performance.now() / 1000;
    const heads = [trans.__('trial'), trans.__('processor'), trans.__('memory'), trans.__('processes'), trans.__('GPU')];
    const body = rows.map(row => {
      const before = this.before.get(row.name);
      const cores = before ? (row.cpuSeconds - before.cpu) / (now - before.at) : null;
      const gpus = row.gpus.map(gpu => `${gpu.label} ${bytes(gpu.memory)} (${gpu.name})`).join(', ') || '–';
      return h(
        'tr',
        {},
        h('td', {}, row.number === null ? row.name : trans.__('trial %1', row.number)),
        h('td', { class: 'wb-num' }, cores === null ? '…' : trans.__('%1 cores', Math.max(0, cores).toFixed(2))),
        h('td', { class: 'wb-num' }, bytes(row.memory)),
        h('td', { class: 'wb-num' }, String(row.processes)),
        h('td', {}, gpus)
      );
    });
    this.before = new Map(rows.map(row => [row.name, { at: now, cpu: row.cpuSeconds }]));
    return h(
      'table',
      { class: 'wb-facts' },
      h('thead', {}, h('tr', {}, ...heads.map((head, i) => h('th', { class: i > 0 && i < 4 ? 'wb-num' : '' }, head)))),
      h('tbody', {}, ...body)
    );
  }
}

/** What a trial has left behind: values, files, the executed notebook. */
export class OutputsPanel implements Panel {
  readonly element = h('div', { class: 'wb-scroll' });
  private visible = false;
  /** What is shown, and how the job stood then. */
  private shown = '';
  private asked = 0;

  /** @param open opens the executed notebook of a trial, where something can. */
  constructor(
    private readonly state: State,
    private readonly open?: Opener
  ) {
    state.onSelection(() => this.visible && void this.refresh());
    state.onChange((changed, all) => {
      if (this.visible && (all || this.stand() !== this.shown || changed.some(trial => trial.name === state.focus))) {
        void this.refresh();
      }
    });
  }

  show(visible: boolean): void {
    this.visible = visible;
    if (visible) {
      void this.refresh();
    }
  }

  /** A job that is no sweep is none of the trials whose changes are told. */
  private stand(): string {
    const { focus, header } = this.state;
    return JSON.stringify([focus, header?.type === 'sweep' ? null : [header?.status, header?.started, header?.ended]]);
  }

  private async refresh(): Promise<void> {
    this.shown = this.stand();
    this.asked += 1;
    const asked = this.asked;
    try {
      const found = await this.state.ask('outputs', { trial: this.state.focus });
      if (asked === this.asked) {
        this.take(found);
      }
    } catch (error) {
      if (asked === this.asked) {
        this.element.replaceChildren(h('div', { class: 'wb-message wb-error' }, problem(error)));
      }
    }
  }

  private take(found: Outputs): void {
    const rows: [string, Node | string][] = [
      [this.state.header?.type === 'sweep' ? trans.__('trial') : trans.__('job'), found.trial],
      [trans.__('folder'), h('code', { class: 'wb-code' }, found.folder)],
      ...(found.notebook ? [[trans.__('executed notebook'), this.notebook(found.trial, found.notebook)] as [string, Node]] : []),
      ...Object.entries(found.values).map(([name, value]): [string, string] => [name, JSON.stringify(value)]),
      ...found.files.map((file): [string, string] => [file.path, bytes(file.bytes)])
    ];
    const none = Object.keys(found.values).length + found.files.length === 0;
    this.element.replaceChildren(
      factsTable(rows),
      ...(none
        ? [h('p', { class: 'wb-message wb-dim' }, trans.__('No values and no files: what the code hands to workbench.output(name, value) or writes into ./outputs is listed here.'))]
        : [])
    );
  }

  private notebook(trial: string, path: string): HTMLElement {
    const { open } = this;
    const code = h('code', { class: 'wb-code' }, path);
    if (!open) {
      return code;
    }
    const button = h('button', { type: 'button', 'aria-label': trans.__('Open the executed notebook'), click: () => open(trial) || button.replaceWith(trans.__('nothing here can open it')) }, trans.__('Open'));
    return h('div', {}, code, ' ', button);
  }
}

export function factsTable(rows: [string, Node | string][]): HTMLElement {
  return h('table', { class: 'wb-facts' }, h('tbody', {}, ...rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))));
}

/** From the best or the selected trial to a registered model. */
export class RegisterPanel implements Panel {
  readonly element = h('div', {});
  private visible = false;
  /** The trial that it is about, and how that stood when it was asked for. */
  private shown: string | null = null;
  private stood = '';
  private chosen: string | null = null;
  private form: ModelForm | null = null;
  private asked = 0;
  private answered = 0;
  /** What was typed is about the model: it stays when another trial is taken. */
  private readonly typed = new Map<string, string>();
  private readonly best: BestOffer;
  private readonly lookAgain = throttled(() => void this.look(), LOOK_EVERY);

  constructor(private readonly state: State) {
    this.best = new BestOffer(state);
    state.onSelection(() => this.visible && this.open());
    state.onChange(() => this.visible && this.open());
  }

  show(visible: boolean): void {
    this.visible = visible;
    if (visible) {
      this.open(this.form?.isUntouched ?? true);
    }
  }

  destroy(): void {
    this.visible = false;
    this.lookAgain.cancel();
  }

  /**
   * Show the trial that is meant. Where a form is, only the user's choice takes another one: a new best is offered.
   *
   * @param takes whether a new best is taken at once.
   */
  private open(takes = this.form === null): void {
    const [chosen = null] = this.state.selected;
    const wished = chosen !== this.chosen;
    this.chosen = chosen;
    const trial = this.state.focus ?? (this.state.header?.type === 'sweep' ? null : (this.state.header?.name ?? null));
    if (trial === null) {
      if (!this.form) {
        this.say(trans.__('No trial has a value of the primary metric yet: there is no best one to register.'));
      }
    } else if (trial !== this.shown && (takes || wished)) {
      this.shown = trial;
      this.form = null;
      this.say(trans.__('Looking for the models of %1 …', trial));
      void this.look();
    } else if (this.shown !== null && this.stand(this.shown) !== this.stood) {
      this.lookAgain();
    }
    this.best.tell(this.shown);
  }

  /** All that tells that a trial may have another model than before. */
  private stand(name: string): string {
    const trial = this.state.trials.get(name);
    const { header } = this.state;
    return JSON.stringify(trial ? [trial.status, trial.score, trial.ended, trial.attempt] : [header?.status, header?.started, header?.ended]);
  }

  private say(text: string, error = false): void {
    const kind = `wb-message ${error ? 'wb-error' : 'wb-dim'}`;
    const [said] = this.element.children;
    if (said?.textContent !== text || said.className !== kind) {
      this.element.replaceChildren(h('div', { class: kind, role: 'status' }, text));
    }
  }

  private async look(): Promise<void> {
    const trial = this.shown;
    if (trial === null) {
      return;
    }
    this.asked += 1;
    const asked = this.asked;
    this.stood = this.stand(trial);
    const isNews = (): boolean => trial === this.shown && asked > this.answered;
    try {
      const found = await this.state.ask('candidate', { trial });
      if (isNews()) {
        this.answered = asked;
        this.take(found);
      }
    } catch (error) {
      if (isNews()) {
        this.stood = ''; // the next change asks again
        if (!this.form) {
          this.say(problem(error), true);
        }
      }
    }
  }

  private take(found: Candidate): void {
    const none = found.models.length === 0; // of a trial that is tried again they have gone
    if (this.form && !(none && this.form.isUntouched)) {
      this.form.update(found);
    } else if (none) {
      this.form = null;
      this.advise(found);
    } else {
      this.form = new ModelForm(this.state, found, this.typed, this.best.element);
      this.element.replaceChildren(this.form.element);
    }
    this.best.tell(this.shown);
  }

  private advise(found: Candidate): void {
    const over = this.state.isOver(found.trial);
    const key = `${found.trial} ${over}`;
    if (this.element.querySelector<HTMLElement>(':scope > [data-advice]')?.dataset['advice'] === key) {
      return; // a button that is made anew takes no click that began on it
    }
    const text = over
      ? trans.__('%1 has logged no model, so there is nothing to register. In the training code, after fitting:', found.trial)
      : trans.__('%1 has logged no model so far. In the training code, after fitting:', found.trial);
    const again = h('button', { type: 'button', click: () => void this.look() }, trans.__('Look again'));
    this.element.replaceChildren(
      h(
        'div',
        { class: 'wb-form', 'data-advice': key },
        h('div', { class: 'wb-wide' }, this.best.element),
        h('p', { class: 'wb-wide' }, text),
        h('pre', { class: 'wb-code wb-wide' }, found.howToLog ?? ''),
        h('div', { class: 'wb-wide' }, over ? null : again)
      )
    );
  }
}

/** The way from a trial that is shown to the best one. */
class BestOffer {
  readonly element = h('span');
  private told: string | null = null;

  constructor(private readonly state: State) {}

  tell(shown: string | null): void {
    const best = this.state.header?.best ?? null;
    const offered = best && shown !== null && best.name !== shown ? best : null;
    if ((offered?.name ?? null) === this.told) {
      return; // a button that is made anew takes no click that began on it
    }
    this.told = offered?.name ?? null;
    this.element.replaceChildren(
      ...(offered ? [h('button', { type: 'button', click: () => this.state.select([offered.name]) }, trans.__('Take the best, trial %1', offered.number))] : [])
    );
  }
}

/** The form for a trial that has models; what is known of the trial may change under what is typed. */
class ModelForm {
  readonly element: HTMLElement;
  private readonly model: HTMLSelectElement;
  private readonly name: HTMLInputElement;
  private readonly description: HTMLTextAreaElement;
  private readonly tags: HTMLInputElement;
  private readonly alias: HTMLInputElement;
  private readonly names: HTMLDataListElement;
  private readonly again = h('input', { type: 'checkbox' });
  private readonly againLabel = h('span', { class: 'wb-label' });
  private readonly againText = h('span');
  private readonly againRow: HTMLElement;
  private readonly status = h('span');
  private readonly metricLabel = h('span', { class: 'wb-label' });
  private readonly metric = h('div');
  private readonly facts = h('div');
  private readonly compared = h('div', { role: 'status' });
  private readonly checked = h('div', { role: 'status' });
  private readonly outcome = h('div', { class: 'wb-wide', role: 'status' });
  private readonly button: HTMLButtonElement;
  private readonly reason: HTMLElement;
  private check: 'runs' | 'passed' | 'failed' = 'runs';
  private checks = 0;
  private registering = false;
  private done = false;

  constructor(
    private readonly state: State,
    private found: Candidate,
    private readonly typed: Map<string, string>,
    best: HTMLElement
  ) {
    const id = (name: string): string => `wb-${name}-${found.trial}`;
    this.model = h('select', { id: id('model'), change: () => this.choose() });
    this.name = this.field('name', h('input', { id: id('name'), list: id('names'), required: true, autocomplete: 'off' }));
    this.description = this.field('description', h('textarea', { id: id('description'), rows: 2 }));
    this.tags = this.field('tags', h('input', { id: id('tags'), placeholder: trans.__('stage=candidate, owner=me') }));
    this.alias = this.field('alias', h('input', { id: id('alias'), placeholder: 'champion', autocomplete: 'off' }));
    this.names = h('datalist', { id: id('names') });
    this.reason = h('span', { class: 'wb-dim', id: id('reason') });
    this.button = h(
      'button',
      { class: 'wb-primary', type: 'button', 'aria-describedby': id('reason'), click: () => this.submit() },
      found.number === null ? trans.__('Register %1', found.trial) : trans.__('Register trial %1', found.number)
    );
    this.again.addEventListener('change', () => this.compare());
    this.againRow = h('label', {}, this.again, this.againText);
    this.element = h(
      'div',
      { class: 'wb-form' },
      h('span', { class: 'wb-label' }, trans.__('trial')),
      h('div', {}, h('b', {}, found.trial), this.status, ' ', best),
      this.metricLabel,
      this.metric,
      h('span', { class: 'wb-label' }, trans.__('parameters')),
      h('div', {}, Object.entries(found.params).map(([key, value]) => `${key}=${valueText(value)}`).join(' · ') || '–'),
      h('label', { for: id('model') }, trans.__('model')),
      h('div', {}, this.model, this.facts),
      h('label', { for: id('name') }, trans.__('name')),
      h('div', {}, this.name, this.names),
      h('label', { for: id('description') }, trans.__('description')),
      this.description,
      h('label', { for: id('tags') }, trans.__('tags')),
      this.tags,
      h('label', { for: id('alias') }, trans.__('alias')),
      this.alias,
      h('span', { class: 'wb-label' }, trans.__('loads')),
      this.checked,
      h('span', { class: 'wb-label' }, trans.__('compared')),
      this.compared,
      this.againLabel,
      this.againRow,
      h('span', { class: 'wb-label' }),
      h('div', {}, this.button, ' ', this.reason),
      this.outcome
    );
    this.update(found);
  }

  /** Whether nothing would be lost with it. */
  get isUntouched(): boolean {
    return this.typed.size === 0 && !this.done && !this.registering;
  }

  /** Show what is known of the trial now. */
  update(found: Candidate): void {
    const before = this.checks ? JSON.stringify(this.chosen) : '';
    this.found = found;
    const model = this.model.value;
    if ([...this.model.options].map(option => option.value).join('\n') !== found.models.map(entry => entry.path).join('\n')) {
      this.model.replaceChildren(...found.models.map(entry => h('option', { value: entry.path }, entry.path)));
      this.model.value = found.models.some(entry => entry.path === model) ? model : (found.models[0]?.path ?? '');
    }
    if (!this.typed.has('name')) {
      this.name.value = found.suggested;
    }
    this.names.replaceChildren(...found.names.map(entry => h('option', { value: entry })));
    this.status.textContent = ` · ${found.status}${found.status === 'Running' ? `: ${trans.__('it may still log a better model')}` : ''}`;
    this.showMetrics();
    if (JSON.stringify(this.chosen) !== before) {
      this.choose();
    } else {
      this.compare();
    }
  }

  private field<T extends HTMLInputElement | HTMLTextAreaElement>(name: string, field: T): T {
    field.value = this.typed.get(name) ?? '';
    field.addEventListener('input', () => {
      this.typed.set(name, field.value);
      this.compare();
    });
    return field;
  }

  private get chosen(): Candidate['models'][number] | undefined {
    return this.found.models.find(entry => entry.path === this.model.value);
  }

  private showMetrics(): void {
    const { metric, metrics } = this.found;
    this.metricLabel.textContent = metric?.name ?? trans.__('metrics');
    if (metric) {
      this.metric.replaceChildren(h('b', {}, number(metric.value)), atStep(metric));
    } else {
      const more = metrics.length - MOST_METRICS;
      const shown = metrics.slice(0, MOST_METRICS).flatMap((entry, index) => [index ? ' · ' : '', `${entry.name} `, h('b', {}, number(entry.value)), atStep(entry)]);
      this.metric.replaceChildren(...(shown.length ? shown : ['–']), more > 0 ? trans._n(' and %1 more', ' and %1 more', more) : '');
    }
  }

  private choose(): void {
    const entry = this.chosen;
    this.facts.textContent = entry ? `${entry.flavors.join(', ') || 'python_function'} · ${bytes(entry.bytes)} · ${entry.signature ?? trans.__('no signature')}` : '';
    void this.load();
  }

  private async load(): Promise<void> {
    this.checks += 1;
    const check = this.checks;
    const tell = (outcome: 'runs' | 'passed' | 'failed', text: string): void => {
      if (check === this.checks) {
        this.check = outcome;
        this.checked.textContent = text;
        this.checked.className = { runs: 'wb-dim', passed: 'wb-ok', failed: 'wb-bad' }[outcome];
        if (!this.done) {
          this.outcome.replaceChildren(); // what was asked there was about another check
        }
        this.compare();
      }
    };
    tell('runs', trans.__('… loading the model in a process of its own'));
    try {
      const { ok, told } = await this.state.ask('check_model', { trial: this.found.trial, model: this.model.value });
      tell(ok ? 'passed' : 'failed', `${ok ? '✓' : '✗'} ${told}`);
    } catch (error) {
      tell('failed', `✗ ${problem(error)}`);
    }
  }

  private compare(): void {
    const name = this.name.value.trim();
    const { text, kind } = comparison(this.found, name, this.alias.value.trim());
    this.compared.textContent = text;
    this.compared.className = kind;
    const twice = this.found.registered.filter(entry => entry.name === name).map(entry => entry.version);
    this.againRow.hidden = this.againLabel.hidden = twice.length === 0;
    this.againText.textContent = ` ${trans.__('this trial is version %1 of %2 already: register it again', twice.join(', '), name)}`;
    const refused = !name || (twice.length > 0 && !this.again.checked);
    this.button.disabled = refused || this.check === 'runs' || this.registering;
    this.reason.textContent = this.check === 'runs' && !this.registering ? trans.__('once it is known whether the model loads') : '';
  }

  /** What does not load is registered only by who says so again. */
  private submit(): void {
    if (this.check !== 'failed') {
      void this.register();
      return;
    }
    const question = trans.__('The check of this model has failed: whoever loads it may get the same error.');
    const anyway = h('button', { type: 'button', click: () => void this.register() }, trans.__('Register anyway'));
    const no = h('button', { type: 'button', click: () => (this.outcome.replaceChildren(), this.button.focus()) }, trans.__('No'));
    this.outcome.replaceChildren(h('div', { class: 'wb-tools wb-confirm', role: 'alertdialog', 'aria-label': question }, h('span', {}, question), anyway, no));
    no.focus();
  }

  private async register(): Promise<void> {
    this.registering = true;
    this.compare();
    this.outcome.replaceChildren(trans.__('Registering …'));
    try {
      const made = await this.state.ask('register', {
        trial: this.found.trial,
        model: this.model.value,
        name: this.name.value,
        description: this.description.value,
        tags: parseTags(this.tags.value),
        alias: this.alias.value.trim(),
        again: this.again.checked
      });
      this.done = true;
      this.typed.clear();
      this.outcome.replaceChildren(receipt(made));
      this.note(made);
      this.again.checked = false;
    } catch (error) {
      this.outcome.replaceChildren(h('span', { class: 'wb-bad' }, problem(error)));
    } finally {
      this.registering = false;
      this.compare();
    }
  }

  /** Know what was registered before the server is asked again. */
  private note(made: Registered): void {
    const { found } = this;
    found.registered.push({ name: made.name, version: made.version });
    if (made.alias) {
      const { alias, name, version } = made;
      const { metric } = found;
      found.aliases = found.aliases.filter(entry => entry.name !== name || entry.alias !== alias);
      found.aliases.push({ name, alias, version, metric: metric?.name ?? null, goal: metric?.goal ?? null, score: metric?.value == null ? null : String(metric.value) });
    }
  }
}

function atStep(metric: MetricValue): string {
  return metric.step === null ? '' : ` ${trans.__('at step %1', metric.step)}`;
}

/** What is to be said of a trial beside the version that has an alias: better or worse only where both have the same metric. */
export function comparison(found: Candidate, name: string, alias: string): { text: string; kind: 'wb-dim' | 'wb-ok' | 'wb-bad' } {
  const other = found.aliases.find(entry => entry.name === name && entry.alias === (alias || 'champion'));
  const told = (text: string): { text: string; kind: 'wb-dim' } => ({ text, kind: 'wb-dim' });
  if (!other) {
    return told(alias ? trans.__('no version of %1 is called %2 yet', name, alias) : trans.__('name an alias to compare with the version that has it'));
  }
  if (found.registered.some(entry => entry.name === other.name && entry.version === other.version)) {
    return told(trans.__('%1 is this trial already, as version %2', other.alias, other.version));
  }
  const theirs = other.score === null ? NaN : Number(other.score);
  if (other.metric === null || !Number.isFinite(theirs)) {
    return told(trans.__('%1 is version %2, whose metric is not known', other.alias, other.version));
  }
  const mine = found.metric ?? found.metrics.find(entry => entry.name === other.metric);
  if (mine?.name !== other.metric) {
    return told(trans.__('cannot be compared: %1 (version %2) has %3 %4, which is no metric of this one', other.alias, other.version, other.metric, number(theirs)));
  }
  const goals: (Goal | null | undefined)[] = [found.metric?.goal, other.goal];
  const goal = goals.find(entry => entry != null);
  if (goals.some(entry => entry != null && entry !== goal)) {
    const whose = [other.metric, other.alias, other.version];
    return told(
      other.goal === 'minimize'
        ? trans.__('cannot be compared: less %1 was better for %2 (version %3), and more is here', ...whose)
        : trans.__('cannot be compared: more %1 was better for %2 (version %3), and less is here', ...whose)
    );
  }
  if (mine.value === null) {
    return told(trans.__('%1 (version %2) has %3 %4, and this one no value of it', other.alias, other.version, other.metric, number(theirs)));
  }
  const values = [number(mine.value), number(theirs), other.alias, other.version];
  if (!goal) {
    return told(trans.__('%1 here, %2 for %3 (version %4)', ...values));
  }
  const better = goal === 'maximize' ? mine.value > theirs : mine.value < theirs;
  return better
    ? { text: `✓ ${trans.__('%1 here, %2 for %3 (version %4): better', ...values)}`, kind: 'wb-ok' }
    : { text: `✗ ${trans.__('%1 here, %2 for %3 (version %4): not better', ...values)}`, kind: 'wb-bad' };
}

function receipt(made: Registered): HTMLElement {
  const code = h('pre', { class: 'wb-code' }, made.load);
  const copy = h('button', { type: 'button', click: () => void navigator.clipboard.writeText(made.load).then(() => (copy.textContent = trans.__('Copied'))) }, trans.__('Copy'));
  const done = made.alias ? trans.__('%1 version %2 is registered as %3.', made.name, made.version, made.alias) : trans.__('%1 version %2 is registered.', made.name, made.version);
  return h('div', {}, h('p', { class: 'wb-ok' }, `✓ ${done} ${trans.__('In MLflow it is %1. Load it with:', made.address)}`), code, copy);
}

function parseTags(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split(',')
      .map(part => part.trim())
      .filter(Boolean)
      .map(part => {
        const at = part.indexOf('=');
        return at < 0 ? [part, ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
      })
  );
}

