import { bytes, h, number, valueText } from './dom';
import type { Candidate, Registered, Usage } from './protocol';
import type { State } from './state';

/** One tab's content. */
export interface Panel {
  readonly element: HTMLElement;
  show(visible: boolean): void;
  recolor?(): void;
  destroy?(): void;
}

const FOLLOW_EVERY = 400;
const USAGE_EVERY = 2000;

function problem(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The log of the chosen trial, followed while it grows. */
export class LogPanel implements Panel {
  readonly element: HTMLElement;
  private readonly text = h('pre', { class: 'wb-text', tabindex: 0, role: 'region', 'aria-label': 'log' });
  private readonly title = h('span', { class: 'wb-dim' });
  private readonly nothing = h('span', { class: 'wb-dim' });
  private trial: string | null = null;
  private end: number | null = null;
  private timer = 0;
  private visible = false;
  private busy = false;

  constructor(private readonly state: State) {
    this.element = h('div', {}, h('div', { class: 'wb-tools' }, this.title), this.text);
    state.onSelection(() => this.visible && this.begin());
  }

  show(visible: boolean): void {
    this.visible = visible;
    if (visible) {
      this.begin();
    } else {
      window.clearTimeout(this.timer);
    }
  }

  destroy(): void {
    window.clearTimeout(this.timer);
  }

  private begin(): void {
    const trial = this.state.focus;
    if (trial !== this.trial || this.end === null) {
      this.trial = trial;
      this.end = null;
      this.text.textContent = '';
    }
    this.title.textContent = trial ? `${trial} · select another row of the table to see its log` : 'standard output and error';
    void this.follow();
  }

  private async follow(): Promise<void> {
    window.clearTimeout(this.timer);
    if (this.busy || !this.visible) {
      return;
    }
    this.busy = true;
    const asked = this.trial;
    try {
      const part = await this.state.ask('log', { trial: asked, offset: this.end });
      if (asked === this.trial) {
        const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 30;
        if (this.end === null) {
          this.text.textContent = part.begin ? '… the beginning is in the trial’s folder\n' : '';
        }
        this.end = part.end;
        if (part.text) {
          this.nothing.remove();
          this.text.append(part.text);
        } else if (!this.text.hasChildNodes() || this.nothing.isConnected) {
          this.nothing.textContent = this.state.isOver(asked) ? 'It has printed nothing' : 'Nothing is printed yet';
          this.text.replaceChildren(this.nothing);
        }
        if (atEnd) {
          this.text.scrollTop = this.text.scrollHeight;
        }
      }
    } catch (error) {
      this.text.textContent = problem(error);
    } finally {
      this.busy = false;
      if (asked !== this.trial) {
        void this.follow();
      } else if (this.visible) {
        this.timer = window.setTimeout(() => void this.follow(), FOLLOW_EVERY);
      }
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
      this.element.replaceChildren(rows.length ? this.table(rows) : h('div', { class: 'wb-message wb-dim' }, 'Nothing runs now. What running trials use of processors, memory and GPUs is shown here.'));
    } catch (error) {
      this.element.replaceChildren(h('div', { class: 'wb-message wb-error' }, problem(error)));
    }
    if (this.visible) {
      this.timer = window.setTimeout(() => void this.refresh(), USAGE_EVERY);
    }
  }

  private table(rows: Usage[]): HTMLElement {
    const now = performance.now() / 1000;
    const heads = ['trial', 'processor', 'memory', 'processes', 'GPU'];
    const body = rows.map(row => {
      const before = this.before.get(row.name);
      const cores = before ? (row.cpuSeconds - before.cpu) / (now - before.at) : null;
      const gpus = row.gpus.map(gpu => `${gpu.label} ${bytes(gpu.memory)} (${gpu.name})`).join(', ') || '–';
      return h(
        'tr',
        {},
        h('td', {}, row.number === null ? row.name : `trial ${row.number}`),
        h('td', { class: 'wb-num' }, cores === null ? '…' : `${Math.max(0, cores).toFixed(2)} cores`),
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

  constructor(private readonly state: State) {
    state.onSelection(() => this.visible && void this.refresh());
    state.onChange(changed => {
      if (this.visible && changed.some(trial => trial.name === state.focus)) {
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

  private async refresh(): Promise<void> {
    try {
      const found = await this.state.ask('outputs', { trial: this.state.focus });
      const rows: [string, Node | string][] = [
        [this.state.header?.type === 'sweep' ? 'trial' : 'job', found.trial],
        ['folder', h('code', { class: 'wb-code' }, found.folder)],
        ...(found.notebook ? [['executed notebook', h('code', { class: 'wb-code' }, found.notebook)] as [string, Node]] : []),
        ...Object.entries(found.values).map(([name, value]): [string, string] => [name, JSON.stringify(value)]),
        ...found.files.map((file): [string, string] => [file.path, bytes(file.bytes)])
      ];
      const none = Object.keys(found.values).length + found.files.length === 0;
      this.element.replaceChildren(
        factsTable(rows),
        ...(none ? [h('p', { class: 'wb-message wb-dim' }, 'No values and no files: what the code hands to workbench.output(name, value) or writes into ./outputs is listed here.')] : [])
      );
    } catch (error) {
      this.element.replaceChildren(h('div', { class: 'wb-message wb-error' }, problem(error)));
    }
  }
}

export function factsTable(rows: [string, Node | string][]): HTMLElement {
  return h('table', { class: 'wb-facts' }, h('tbody', {}, ...rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))));
}

/** From the best or the selected trial to a registered model. */
export class RegisterPanel implements Panel {
  readonly element = h('div', {});
  private visible = false;
  private shown: string | null = null;
  private done: Registered | null = null;

  constructor(private readonly state: State) {
    state.onSelection(() => this.visible && this.open());
    state.onChange(() => {
      if (this.visible && this.shown === null) {
        this.open();
      }
    });
  }

  show(visible: boolean): void {
    this.visible = visible;
    if (visible) {
      this.open();
    }
  }

  private open(): void {
    const trial = this.state.focus ?? (this.state.header?.type === 'sweep' ? null : (this.state.header?.name ?? null));
    if (trial === null) {
      this.say('No trial has a value of the primary metric yet: there is no best one to register.');
      return;
    }
    if (trial !== this.shown) {
      this.shown = trial;
      this.done = null;
      void this.load(trial);
    }
  }

  private say(text: string, error = false): void {
    this.element.replaceChildren(h('div', { class: `wb-message ${error ? 'wb-error' : 'wb-dim'}`, role: 'status' }, text));
  }

  private async load(trial: string): Promise<void> {
    this.say(`Looking for the models of ${trial} …`);
    try {
      const found = await this.state.ask('candidate', { trial });
      if (trial === this.shown && !this.done) {
        this.element.replaceChildren(found.models.length ? this.form(found) : this.advice(found));
      }
    } catch (error) {
      this.shown = null;
      this.say(problem(error), true);
    }
  }

  private advice(found: Candidate): HTMLElement {
    return h(
      'div',
      { class: 'wb-form' },
      h('div', { class: 'wb-wide' }, this.toTheBest(found)),
      h('p', { class: 'wb-wide' }, `${found.trial} has logged no model, so there is nothing to register. In the training code, after fitting:`),
      h('pre', { class: 'wb-code wb-wide' }, found.howToLog ?? '')
    );
  }

  private form(found: Candidate): HTMLElement {
    const id = (name: string): string => `wb-${name}-${found.trial}`;
    const model = h('select', { id: id('model') }, ...found.models.map(entry => h('option', { value: entry.path }, entry.path)));
    const name = h('input', { id: id('name'), list: id('names'), required: true, value: found.suggested, autocomplete: 'off' });
    const description = h('textarea', { id: id('description'), rows: 2 });
    const tags = h('input', { id: id('tags'), placeholder: 'stage=candidate, owner=me' });
    const alias = h('input', { id: id('alias'), placeholder: 'champion', autocomplete: 'off' });
    const facts = h('div', {});
    const compared = h('div', { role: 'status' });
    const checked = h('div', { role: 'status' });
    const outcome = h('div', { class: 'wb-wide', role: 'status' });
    const again = h('input', { type: 'checkbox', id: id('again') });
    const button = h('button', { class: 'wb-primary', type: 'button', click: () => void registering() }, `Register ${found.number === null ? found.trial : `trial ${found.number}`}`);
    const chosen = (): Candidate['models'][number] | undefined => found.models.find(entry => entry.path === model.value);
    const describe = (): void => {
      const entry = chosen();
      facts.textContent = entry
        ? `${entry.flavors.join(', ') || 'python_function'} · ${bytes(entry.bytes)} · ${entry.signature ?? 'no signature'}`
        : '';
    };
    const compare = (): void => {
      const other = found.aliases.find(entry => entry.name === name.value && entry.alias === (alias.value || 'champion'));
      const goal = this.state.header?.metric?.goal ?? 'maximize';
      const mine = found.metric?.value ?? null;
      const theirs = other?.score == null ? null : Number(other.score);
      if (!other) {
        compared.textContent = alias.value ? `no version of ${name.value} is called ${alias.value} yet` : 'name an alias to compare with the version that has it';
        compared.className = 'wb-dim';
      } else if (found.registered.some(entry => entry.name === other.name && entry.version === other.version)) {
        compared.textContent = `${other.alias} is this trial already, as version ${other.version}`;
        compared.className = 'wb-dim';
      } else if (mine === null || theirs === null) {
        compared.textContent = `${other.alias} is version ${other.version}, whose metric is not known`;
        compared.className = 'wb-dim';
      } else {
        const better = goal === 'maximize' ? mine > theirs : mine < theirs;
        compared.textContent = `${better ? '✓' : '✗'} ${number(mine)} here, ${number(theirs)} for ${other.alias} (version ${other.version}): ${better ? 'better' : 'not better'}`;
        compared.className = better ? 'wb-ok' : 'wb-bad';
      }
      const twice = found.registered.filter(entry => entry.name === name.value.trim());
      againRow.hidden = againLabel.hidden = twice.length === 0;
      againRow.lastElementChild!.textContent = ` this trial is version ${twice.map(entry => entry.version).join(', ')} of ${name.value} already: register it again`;
      button.disabled = !name.value.trim() || (twice.length > 0 && !again.checked);
    };
    const check = async (): Promise<void> => {
      checked.textContent = '… loading the model in a process of its own';
      checked.className = 'wb-dim';
      try {
        const answer = await this.state.ask('check_model', { trial: found.trial, model: model.value });
        checked.textContent = `${answer.ok ? '✓' : '✗'} ${answer.told}`;
        checked.className = answer.ok ? 'wb-ok' : 'wb-bad';
      } catch (error) {
        checked.textContent = `✗ ${problem(error)}`;
        checked.className = 'wb-bad';
      }
    };
    const registering = async (): Promise<void> => {
      button.disabled = true;
      outcome.replaceChildren('Registering …');
      try {
        const made = await this.state.ask('register', {
          trial: found.trial,
          model: model.value,
          name: name.value,
          description: description.value,
          tags: parseTags(tags.value),
          alias: alias.value.trim(),
          again: again.checked
        });
        this.done = made;
        outcome.replaceChildren(this.receipt(made));
        found.registered.push({ name: made.name, version: made.version });
        if (made.alias) {
          const { alias: title, name: of, version } = made;
          found.aliases = found.aliases.filter(entry => entry.name !== of || entry.alias !== title);
          found.aliases.push({ name: of, alias: title, version, score: found.metric?.value == null ? null : String(found.metric.value) });
        }
        again.checked = false;
        compare();
      } catch (error) {
        outcome.replaceChildren(h('span', { class: 'wb-bad' }, problem(error)));
        button.disabled = false;
      }
    };
    const againLabel = h('span', { class: 'wb-label' });
    const againRow = h('label', {}, again, h('span', {}));
    model.addEventListener('change', () => {
      describe();
      void check();
    });
    [name, alias, again].forEach(input => input.addEventListener('input', compare));
    describe();
    compare();
    void check();
    const metric = found.metric;
    return h(
      'div',
      { class: 'wb-form' },
      h('span', { class: 'wb-label' }, 'trial'),
      h('div', {}, h('b', {}, found.trial), ` · ${found.status}`, found.status === 'Running' ? ': it may still log a better model' : '', ' ', this.toTheBest(found)),
      h('span', { class: 'wb-label' }, metric?.name ?? 'metric'),
      h('div', {}, h('b', {}, number(metric?.value)), metric?.step == null ? '' : ` at step ${metric.step}`),
      h('span', { class: 'wb-label' }, 'parameters'),
      h('div', {}, Object.entries(found.params).map(([key, value]) => `${key}=${valueText(value)}`).join(' · ') || '–'),
      h('label', { for: id('model') }, 'model'),
      h('div', {}, model, facts),
      h('label', { for: id('name') }, 'name'),
      h('div', {}, name, h('datalist', { id: id('names') }, ...found.names.map(entry => h('option', { value: entry })))),
      h('label', { for: id('description') }, 'description'),
      description,
      h('label', { for: id('tags') }, 'tags'),
      tags,
      h('label', { for: id('alias') }, 'alias'),
      alias,
      h('span', { class: 'wb-label' }, 'loads'),
      checked,
      h('span', { class: 'wb-label' }, 'compared'),
      compared,
      againLabel,
      againRow,
      h('span', { class: 'wb-label' }),
      h('div', {}, button),
      outcome
    );
  }

  /** The way from a trial that is selected to the best one. */
  private toTheBest(found: Candidate): HTMLElement | null {
    const best = this.state.header?.best;
    return best && best.name !== found.trial
      ? h('button', { type: 'button', click: () => this.state.select([best.name]) }, `Take the best, trial ${best.number}`)
      : null;
  }

  private receipt(made: Registered): HTMLElement {
    const code = h('pre', { class: 'wb-code' }, made.load);
    const copy = h('button', { type: 'button', click: () => void navigator.clipboard.writeText(made.load).then(() => (copy.textContent = 'Copied')) }, 'Copy');
    return h(
      'div',
      {},
      h('p', { class: 'wb-ok' }, `✓ ${made.name} version ${made.version} is registered${made.alias ? ` as ${made.alias}` : ''}. In MLflow it is ${made.address}. Load it with:`),
      code,
      copy
    );
  }
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

