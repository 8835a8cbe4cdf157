import { MainAreaWidget } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { h, throttled } from '../../view/dom';
import { ApiError, said } from '../api';
import { workbenchIcon } from '../icons';
import { CommandIDs } from '../ids';
import type { Notebooks } from '../notebooks';
import type { NotebookParameters, Problem } from '../protocol';
import type { Workbench } from '../workbench';
import { draftOf, metricsIn, objections, placeOf, renew, requestOf, stem, type Draft, type Objection } from './draft';
import { Parameters } from './parameters';
import { field, hint, options } from './parts';

const CHECK_AFTER = 400;

interface Created {
  name: string;
}

/** What a check found; what is refused for other reasons comes as an error. */
interface Checked {
  warnings: string[];
  problems?: Problem[];
}

/** The form that runs or sweeps a notebook, beside it in the main area. */
export class FormPage extends MainAreaWidget<Form> {
  constructor(workbench: Workbench, commands: CommandRegistry, notebooks: Notebooks, readonly path: string, sweep: boolean) {
    super({ content: new Form(workbench, commands, notebooks, path, sweep, () => this.dispose()) });
    this.id = `workbench-form-${path}`;
    this.title.label = workbench.trans.__('Sweep %1', stem(path));
    this.title.caption = path;
    this.title.icon = workbenchIcon;
    this.title.closable = true;
  }

  /** Show the form for a sweep, or for one run. */
  set sweep(value: boolean) {
    this.content.choose(value);
  }
}

class Form extends Widget {
  private draft: Draft | null = null;
  private metrics: string[] = [];
  private parameters: Parameters | null = null;
  private readonly problems = new Map<string, HTMLElement>();
  private readonly told = h('div', { class: 'wbl-told', role: 'status' });
  private readonly submit = h('button', { type: 'button', class: 'jp-mod-styled jp-mod-accept wbl-submit', click: () => void this.run() });
  private readonly parametersPlace = h('div', {});
  private readonly hindrance = h('div', { class: 'wbl-untagged' });
  private readonly sweepOnly: HTMLElement[] = [];
  private readonly modes = new Map<boolean, HTMLInputElement>();
  private checked = 0;
  private loads = 0;
  private isSubmitting = false;
  private readonly checkSoon: ReturnType<typeof throttled>;
  private readonly stopWatching: () => void;

  constructor(
    private readonly workbench: Workbench,
    private readonly commands: CommandRegistry,
    private readonly notebooks: Notebooks,
    private readonly path: string,
    private isSweep: boolean,
    private readonly done: () => void
  ) {
    super();
    this.addClass('wbl-form');
    this.node.tabIndex = -1;
    this.checkSoon = throttled(() => void this.check(), CHECK_AFTER);
    this.stopWatching = notebooks.onSaved(path, () => void this.load());
    void this.load();
  }

  override dispose(): void {
    this.checkSoon.cancel();
    this.stopWatching();
    super.dispose();
  }

  choose(sweep: boolean): void {
    this.isSweep = sweep;
    const radio = this.modes.get(sweep);
    if (radio) {
      radio.checked = true;
    }
    if (this.draft) {
      this.draft.sweep = sweep;
      this.parameters?.redraw();
      this.sweepOnly.forEach(element => (element.hidden = !sweep));
      this.changed();
    }
  }

  private async load(): Promise<void> {
    const { api, settings } = this.workbench;
    this.loads += 1;
    const load = this.loads;
    try {
      const [found, source] = await Promise.all([api.get<NotebookParameters>('notebooks/parameters', { path: this.notebooks.onServer(this.path) }), this.notebooks.source(this.path)]);
      if (load !== this.loads || this.isDisposed) {
        return; // it was saved again meanwhile
      }
      this.metrics = metricsIn(source);
      const first = this.draft === null;
      this.draft ??= draftOf(this.notebooks.onServer(this.path), found, this.metrics, this.isSweep, settings.current.concurrentTrials);
      if (first) {
        this.build(this.draft);
      }
      this.showHindrance(found);
      const isUnread = !found.tagged && found.problems.length > 0; // what was filled in stays
      if ((!isUnread && renew(this.draft, found)) || first) {
        this.parameters?.dispose();
        this.parameters = new Parameters(this.draft, this.workbench.trans, this.problems, () => this.changed());
        this.parametersPlace.replaceChildren(this.parameters.element);
        this.choose(this.draft.sweep);
      } else {
        this.changed(); // somebody may be typing into what is there: JupyterLab saves by itself too
      }
    } catch (error) {
      if (this.draft) {
        this.say(said(error), 'wbl-bad'); // what was filled in stays
      } else {
        this.node.replaceChildren(h('div', { class: 'wbl-message wbl-bad', role: 'alert' }, said(error)));
      }
    }
  }

  private build(draft: Draft): void {
    const { trans } = this.workbench;
    const mode = (sweep: boolean, text: string): HTMLElement => {
      const radio = h('input', { type: 'radio', name: `wbl-mode-${this.path}`, change: () => this.choose(sweep) });
      this.modes.set(sweep, radio);
      return h('label', {}, radio, ` ${text}`);
    };
    const metricNames = h('datalist', { id: 'wbl-metric-names' }, ...this.metrics.map(name => h('option', { value: name })));
    const search = h(
      'fieldset',
      {},
      h('legend', {}, trans.__('Search')),
      this.text(draft, 'metric', trans.__('Metric'), { list: 'wbl-metric-names', hint: trans.__('the value that decides, as the notebook logs it') }),
      metricNames,
      this.choice(draft, 'goal', trans.__('Best is'), [['maximize', trans.__('the largest')], ['minimize', trans.__('the smallest')]]),
      this.text(draft, 'trials', trans.__('Trials'), { number: true }),
      this.text(draft, 'concurrent', trans.__('At once'), { number: true, hint: trans.__('empty: one for each core') }),
      this.choice(draft, 'sampler', trans.__('Sampling'), [
        ['random', trans.__('random')],
        ['sobol', trans.__('random, evenly spread (Sobol)')],
        ['bayesian', trans.__('bayesian: learns from earlier trials')],
        ['grid', trans.__('grid: every combination')]
      ]),
      this.choice(draft, 'stop', trans.__('Stop early'), [
        ['none', trans.__('no trial')],
        ['bandit', trans.__('trials far behind the best (bandit)')],
        ['median_stopping', trans.__('trials below the median')]
      ])
    );
    this.sweepOnly.push(search);
    const more = h(
      'details',
      {},
      h('summary', {}, trans.__('Name, resources, environment')),
      h(
        'fieldset',
        { class: 'wbl-plain' },
        this.text(draft, 'experiment', trans.__('Experiment')),
        this.text(draft, 'displayName', trans.__('Display name'), { hint: trans.__('empty: one is made up') }),
        this.text(draft, 'cpus', trans.__('Cores of a trial'), { number: true }),
        this.text(draft, 'gpus', trans.__('GPUs of a trial'), { number: true, hint: trans.__('0.5 shares one') }),
        this.text(draft, 'memory', trans.__('Memory of a trial'), { hint: trans.__('such as 8g') }),
        this.text(draft, 'environment', trans.__('Environment'), { hint: trans.__('empty: this Python') }),
        this.text(draft, 'timeout', trans.__('Time limit'), { number: true, hint: trans.__('seconds') })
      )
    );
    const along = h('input', {
      type: 'checkbox',
      change: () => {
        draft.along = along.checked;
        this.changed();
      }
    });
    const general = h('div', { class: 'wbl-problem', role: 'alert' });
    this.problems.set('', general);
    this.problems.set('search', h('div', { class: 'wbl-problem' }));
    this.node.replaceChildren(
      h('h1', {}, stem(this.path)),
      h('p', { class: 'wbl-path' }, h('button', { type: 'button', class: 'wbl-link', click: () => void this.commands.execute('docmanager:open', { path: this.path }) }, trans.__('Open %1', this.path))),
      h('div', { class: 'wbl-modes', role: 'radiogroup', 'aria-label': trans.__('How it runs') }, mode(true, trans.__('Sweep: many trials')), mode(false, trans.__('Run once as a job'))),
      this.hindrance,
      h('fieldset', { class: 'wbl-params' }, h('legend', {}, trans.__('Parameters')), this.parametersPlace, this.problems.get('search') ?? ''),
      h('label', { class: 'wbl-along' }, along, ` ${trans.__('Take the files beside the notebook along: its modules, and data that it reads by a relative path')}`),
      search,
      more,
      general,
      h('div', { class: 'wbl-foot' }, this.submit, this.told)
    );
  }

  private text(draft: Draft, name: TextName, label: string, details: { number?: boolean; hint?: string; list?: string } = {}): HTMLElement {
    const input = h('input', { value: draft[name], autocomplete: 'off', input: () => this.set(name, input.value) });
    if (details.number) {
      input.inputMode = 'decimal';
      input.classList.add('wbl-short');
    }
    if (details.list) {
      input.setAttribute('list', details.list);
    }
    return this.labelled(name, label, input, details.hint);
  }

  private choice(draft: Draft, name: ChoiceName, label: string, values: [string, string][]): HTMLElement {
    const select = h('select', { change: () => this.set(name, select.value) }, ...options(values));
    select.value = draft[name];
    return this.labelled(name, label, select);
  }

  private labelled(name: string, label: string, control: HTMLInputElement | HTMLSelectElement, about = ''): HTMLElement {
    const problem = h('div', { class: 'wbl-problem', id: `wbl-problem-${name}` });
    control.setAttribute('aria-describedby', problem.id);
    control.dataset['field'] = name;
    this.problems.set(name, problem);
    return field(label, control, hint(about), problem);
  }

  private set(name: TextName | ChoiceName, value: string): void {
    if (this.draft) {
      Object.assign(this.draft, { [name]: value });
      this.changed();
    }
  }

  private showHindrance(found: NotebookParameters): void {
    const { trans } = this.workbench;
    const tag = h('button', { type: 'button', class: 'jp-mod-styled jp-mod-accept', click: () => void this.tag() }, trans.__('Make a parameters cell'));
    this.hindrance.replaceChildren(
      ...(found.tagged || found.problems.length // who cannot read a notebook cannot say that it has no such cell
        ? found.problems.map(problem => h('p', { class: 'wbl-bad' }, problem))
        : [h('p', {}, trans.__('No cell of this notebook is tagged “parameters”, so there is nothing to vary. The tag goes to the cell that assigns the defaults, such as learning_rate = 0.01; where there is none, a cell is added at the top.')), tag])
    );
    this.hindrance.hidden = this.hindrance.childElementCount === 0;
  }

  private async tag(): Promise<void> {
    await this.commands.execute(CommandIDs.tagParameters, { path: this.path }); // it saves, and that is heard here
  }

  private changed(): void {
    if (!this.draft) {
      return;
    }
    const { trans } = this.workbench;
    this.submit.textContent = this.draft.sweep ? trans.__('Start the sweep') : trans.__('Run it');
    this.checked += 1;
    const wrong = objections(this.draft, this.workbench.trans);
    this.showProblems(wrong);
    if (this.isSubmitting) {
      return; // submitting saves the notebook, and that is heard here
    }
    this.submit.disabled = wrong.length > 0;
    this.say(wrong.length ? trans.__('See above') : trans.__('Checking …'), wrong.length ? 'wbl-bad' : '');
    if (!wrong.length) {
      this.checkSoon();
    } else {
      this.checkSoon.cancel();
    }
  }

  private showProblems(wrong: (Objection | Problem)[]): void {
    const draft = this.draft;
    const texts = new Map<string, string[]>();
    for (const { field: at, message } of wrong) {
      const place = this.problems.has(at) ? at : draft ? placeOf(at, draft) : '';
      const known = this.problems.has(place) ? place : '';
      texts.set(known, [...(texts.get(known) ?? []), known === '' && at ? `${at}: ${message}` : message]);
    }
    for (const [name, element] of this.problems) {
      const text = (texts.get(name) ?? []).join('\n');
      if (element.textContent !== text) {
        element.textContent = text;
      }
      this.node.querySelectorAll(`[data-field="${CSS.escape(name)}"]`).forEach(control => control.setAttribute('aria-invalid', String(text !== '')));
    }
  }

  private async check(): Promise<void> {
    if (!this.draft || this.isDisposed) {
      return;
    }
    const { api, trans } = this.workbench;
    const asked = this.checked;
    try {
      const { warnings, problems = [] } = await api.post<Checked>('jobs', requestOf(this.draft), { check: true });
      if (problems.length) {
        throw new ApiError('', 400, problems);
      }
      if (asked === this.checked) {
        this.showProblems([]);
        this.say([this.summary(this.draft), ...warnings].join('\n'), 'wbl-good');
        this.submit.disabled = false;
      }
    } catch (error) {
      if (asked === this.checked) {
        this.refuse(error);
        this.say(error instanceof ApiError && error.problems.length ? trans.__('See above') : '', 'wbl-bad');
      }
    }
  }

  private refuse(error: unknown): void {
    const problems = (error instanceof ApiError ? error.problems : []).map(({ field: at, message, todo }) => ({ field: at, message: [message, todo].filter(Boolean).join('. ') }));
    this.showProblems(problems.length ? problems : [{ field: '', message: said(error) }]);
    this.submit.disabled = error instanceof ApiError && error.status === 400;
  }

  private summary(draft: Draft): string {
    const { trans } = this.workbench;
    if (!draft.sweep) {
      return trans.__('Ready. It runs without a kernel; this notebook stays as it is.');
    }
    const names = draft.fields.filter(entry => entry.kind !== 'fixed').map(entry => entry.parameter.name);
    return trans.__('Ready: %1 trials over %2. They run without a kernel; this notebook stays as it is.', draft.trials, names.join(', '));
  }

  private say(text: string, kind: string): void {
    this.told.textContent = text;
    this.told.className = `wbl-told ${kind}`;
  }

  private async run(): Promise<void> {
    if (!this.draft || this.isSubmitting) {
      return;
    }
    const { api, trans } = this.workbench;
    this.isSubmitting = true;
    this.submit.disabled = true;
    this.say(trans.__('Submitting …'), '');
    this.checked += 1;
    this.checkSoon.cancel();
    try {
      await this.notebooks.save(this.path);
      const { name } = await api.post<Created>('jobs', requestOf(this.draft));
      await this.commands.execute(CommandIDs.open, { name, ref: this.parent?.id ?? '' });
      this.done();
      await this.commands.execute(CommandIDs.open, { name }); // a side panel, as in Notebook 7, has closed with the form
    } catch (error) {
      this.isSubmitting = false;
      this.refuse(error);
      this.submit.disabled = false;
      this.say(trans.__('Not submitted'), 'wbl-bad');
    }
  }
}

type TextName = 'metric' | 'trials' | 'concurrent' | 'experiment' | 'displayName' | 'cpus' | 'gpus' | 'memory' | 'environment' | 'timeout';
type ChoiceName = 'goal' | 'sampler' | 'stop';
