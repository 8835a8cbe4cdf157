// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { comparison, LogPanel, OutputsPanel, type Panel, RegisterPanel } from '../src/view/panels';
import type { Candidate, Header, Incoming, LogPart, Outputs, Trial, Verb, Verbs } from '../src/view/protocol';
import { State } from '../src/view/state';
import type { Transport } from '../src/view/transport';

type Question = { id: number; verb: Verb } & Record<string, unknown>;

/** The other end of a view's line: it hears what is asked, and answers when a test says so. */
class Line implements Transport {
  readonly asked: Question[] = [];
  private take: (message: Incoming) => void = () => undefined;

  send(message: object): void {
    this.asked.push(message as Question);
  }

  onMessage(take: (message: Incoming) => void): void {
    this.take = take;
  }

  onLink(): void {}

  loadPlotly(): Promise<never> {
    return Promise.reject(new Error('no plotly here'));
  }

  close(): void {}

  tell(header: Partial<Header>, trials: Partial<Trial>[] = [], type: 'state' | 'delta' = 'delta'): void {
    this.take({ type, header: { ...HEADER, ...header }, trials: trials.map(trial => ({ ...TRIAL, ...trial })), points: false });
  }

  /** The questions of a kind that wait for an answer. */
  waiting(verb: Verb): Question[] {
    return this.asked.filter(question => question.verb === verb);
  }

  /** Answer the oldest question of a kind, and let the view take it. */
  async answer<V extends Verb>(verb: V, value: Verbs[V][1]): Promise<Question> {
    const index = this.asked.findIndex(question => question.verb === verb);
    const [question] = this.asked.splice(index, 1);
    if (index < 0 || !question) {
      throw new Error(`nobody asked for ${verb}`);
    }
    this.take({ type: 'reply', id: question.id, ok: true, value });
    await vi.advanceTimersByTimeAsync(0);
    return question;
  }
}

const HEADER: Header = {
  name: 'sweep',
  type: 'sweep',
  parent: null,
  status: 'Running',
  displayName: 'sweep',
  experiment: 'tests',
  description: null,
  reason: null,
  error: null,
  created: 1,
  started: 1,
  ended: null,
  held: false,
  metric: { name: 'accuracy', goal: 'maximize' },
  axes: [],
  counts: {},
  total: 4,
  concurrent: 2,
  best: null,
  remaining: null,
  params: {},
  now: 1
};
const TRIAL: Trial = {
  name: 'sweep_0',
  number: 0,
  status: 'Running',
  params: {},
  score: null,
  last: null,
  diverged: false,
  spark: [],
  started: 1,
  ended: null,
  reason: null,
  progress: null,
  attempt: 1
};
const MODEL = { path: 'model', flavors: ['sklearn'], signature: null, bytes: 10, hasExample: true };
const CANDIDATE: Candidate = {
  trial: 'sweep_0',
  number: 0,
  status: 'Running',
  metric: { name: 'accuracy', value: 0.5, step: 1, goal: 'maximize' },
  metrics: [],
  params: {},
  models: [MODEL],
  howToLog: null,
  names: [],
  suggested: 'tests',
  aliases: [],
  registered: []
};
const NONE: Candidate = { ...CANDIDATE, models: [], howToLog: 'mlflow.sklearn.log_model(…)' };
const best = (number: number): Header['best'] => ({ name: `sweep_${number}`, number, score: 0.5 });

let line: Line;
let state: State;
let panel: Panel | null;

beforeEach(() => {
  vi.useFakeTimers();
  line = new Line();
  state = new State(line);
  panel = null;
});

afterEach(() => {
  panel?.destroy?.();
  document.body.replaceChildren();
  vi.useRealTimers();
});

function show<P extends Panel>(made: P): P {
  panel = made;
  document.body.append(made.element);
  made.show(true);
  return made;
}

const text = (): string => panel?.element.textContent ?? '';
const button = (label: RegExp): HTMLButtonElement | undefined => [...document.querySelectorAll('button')].find(one => label.test(one.textContent));
const field = (name: string): HTMLInputElement => document.querySelector<HTMLInputElement>(`[id^=wb-${name}-]`) as HTMLInputElement;

function type(name: string, value: string): void {
  field(name).value = value;
  field(name).dispatchEvent(new Event('input'));
}

describe('the log', () => {
  const part = (more: Partial<LogPart>): LogPart => ({ trial: 'sweep_0', attempt: 1, begin: 0, end: 0, text: '', ...more });
  const next = (): Promise<unknown> => vi.advanceTimersByTimeAsync(400);

  it('stays with the trial that the server has chosen, whichever is the best later', async () => {
    line.tell({}, [{}], 'state');
    show(new LogPanel(state));
    expect((await line.answer('log', part({ end: 4, text: 'one\n' })))['trial']).toBe(null);
    expect(text()).toContain('sweep_0 · select another row');
    line.tell({ best: best(1) }, [{}, { name: 'sweep_1', number: 1, score: 0.5 }]);
    await next();
    expect(await line.answer('log', part({ begin: 4, end: 8, text: 'two\n' }))).toMatchObject({ trial: 'sweep_0', offset: 4 });
    expect(text()).toContain('one\ntwo\n');
    await next();
    state.select(['sweep_1']);
    expect(await line.answer('log', part({ begin: 8, end: 12, text: 'old\n' }))).toMatchObject({ trial: 'sweep_0', offset: 8 }); // on its way when the other was chosen
    expect(await line.answer('log', part({ trial: 'sweep_1', end: 6, text: 'other\n' }))).toMatchObject({ trial: 'sweep_1', offset: null });
    expect(text()).toContain('other\n');
    expect(text()).not.toMatch(/one|old/);
  });

  it.each([
    ['another attempt', { attempt: 2, begin: 4, end: 6, text: 'x\n' }],
    ['a file that was cut', { begin: 2, end: 2, text: '' }]
  ])('begins anew with %s', async (_, changed) => {
    line.tell({}, [{}], 'state');
    show(new LogPanel(state));
    await line.answer('log', part({ end: 4, text: 'one\n' }));
    await next();
    await line.answer('log', part(changed));
    expect(await line.answer('log', part({ attempt: 2, end: 6, text: 'again\n' }))).toMatchObject({ trial: 'sweep_0', offset: null });
    expect(panel?.element.querySelector('pre')?.textContent).toBe('again\n');
  });
});

describe('outputs', () => {
  const found: Outputs = { trial: 'job', folder: '/job', notebook: null, values: {}, files: [] };

  it('of a job are looked at again when its status changes', async () => {
    const job: Partial<Header> = { name: 'job', type: 'notebook', metric: null };
    line.tell(job, [], 'state');
    show(new OutputsPanel(state));
    await line.answer('outputs', found);
    line.tell(job);
    expect(line.waiting('outputs')).toHaveLength(0);
    line.tell({ ...job, status: 'Completed', ended: 2 });
    await line.answer('outputs', { ...found, values: { answer: 42 } });
    expect(text()).toContain('42');
  });

  it('hold a button that opens the notebook, where something can', async () => {
    line.tell({ best: best(0) }, [{}], 'state');
    const opened: string[] = [];
    const open = (name: string): boolean => opened.push(name) === 1;
    show(new OutputsPanel(state, open));
    await line.answer('outputs', { ...found, trial: 'sweep_0', notebook: '/runs/0/out.ipynb' });
    button(/^Open$/)?.click();
    expect(opened).toEqual(['sweep_0']);
    button(/^Open$/)?.click();
    expect(text()).toContain('nothing here can open it');
    show(new OutputsPanel(state));
    await line.answer('outputs', { ...found, trial: 'sweep_0', notebook: '/runs/0/out.ipynb' });
    expect(text()).toContain('/runs/0/out.ipynb');
    expect(panel?.element.querySelector('button')).toBe(null);
  });
});

describe('registering', () => {
  const passed = { ok: true, told: 'it predicts' };
  const later = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1000);

  it('asks again for a trial without a model when that goes on', async () => {
    line.tell({ best: best(0) }, [{ score: 0.5 }], 'state');
    show(new RegisterPanel(state));
    await line.answer('candidate', NONE);
    expect(text()).toContain('has logged no model so far');
    const again = button(/Look again/);
    line.tell({ best: best(0) }, [{ score: 0.6 }]);
    await later();
    await line.answer('candidate', NONE);
    expect(button(/Look again/)).toBe(again);
    line.tell({ best: best(0) }, [{ score: 0.6, progress: 'cell 3' }]);
    await later();
    expect(line.waiting('candidate')).toHaveLength(0);
    line.tell({ best: best(0) }, [{ score: 0.6, status: 'Completed', ended: 2 }]);
    await later();
    await line.answer('candidate', { ...CANDIDATE, status: 'Completed' });
    expect(field('name').value).toBe('tests');
  });

  it('asks again for a job that is no sweep', async () => {
    const job: Partial<Header> = { name: 'job', type: 'command', metric: null };
    line.tell(job, [], 'state');
    show(new RegisterPanel(state));
    await line.answer('candidate', { ...NONE, trial: 'job', number: null, metric: null });
    line.tell({ ...job, status: 'Completed', ended: 2 });
    await later();
    const metrics = [{ name: 'loss', value: 0.25, step: 2 }];
    await line.answer('candidate', { ...CANDIDATE, trial: 'job', number: null, metric: null, metrics });
    expect(text()).toContain('loss 0.25 at step 2');
    expect(button(/^Register job$/)).toBeDefined();
  });

  it('keeps what is typed when there are news of the trial, and offers a new best', async () => {
    line.tell({ best: best(0) }, [{ score: 0.5 }], 'state');
    show(new RegisterPanel(state));
    await line.answer('candidate', CANDIDATE);
    await line.answer('check_model', passed);
    type('name', 'digits');
    type('alias', 'champion');
    const other: Partial<Trial> = { name: 'sweep_1', number: 1, score: 0.9 };
    line.tell({ best: best(1) }, [{ score: 0.5, status: 'Completed', ended: 2 }, other]);
    await later();
    await line.answer('candidate', { ...CANDIDATE, status: 'Completed', models: [{ ...MODEL, path: 'better' }, MODEL] });
    expect([field('name').value, field('alias').value, field('model').value]).toEqual(['digits', 'champion', 'model']);
    expect(text()).toContain('sweep_0 · Completed');
    expect(line.waiting('check_model')).toHaveLength(0); // it is the same model
    button(/Take the best, trial 1/)?.click();
    await line.answer('candidate', { ...CANDIDATE, trial: 'sweep_1', number: 1 });
    expect([field('name').value, field('alias').value]).toEqual(['digits', 'champion']);
    expect(button(/^Register trial 1$/)).toBeDefined();
    expect(button(/Take the best/)).toBeUndefined();
  });

  it('waits for the check, and asks where it has failed', async () => {
    line.tell({ best: best(0) }, [{ score: 0.5 }], 'state');
    show(new RegisterPanel(state));
    await line.answer('candidate', { ...CANDIDATE, models: [MODEL, { ...MODEL, path: 'other' }] });
    const register = button(/^Register trial 0$/) as HTMLButtonElement;
    expect(register.disabled).toBe(true);
    expect(text()).toContain('once it is known whether the model loads');
    field('model').value = 'other';
    field('model').dispatchEvent(new Event('change'));
    await line.answer('check_model', passed); // of the model that was chosen before
    expect(register.disabled).toBe(true);
    await line.answer('check_model', { ok: false, told: 'no module named nothing' });
    expect(register.disabled).toBe(false);
    register.click();
    expect(line.waiting('register')).toHaveLength(0);
    button(/^Register anyway$/)?.click();
    const made = { name: 'tests', version: '1', address: 'models:/tests/1', load: 'import mlflow', alias: null };
    expect(await line.answer('register', made)).toMatchObject({ model: 'other', name: 'tests' });
    expect(text()).toContain('tests version 1 is registered.');
  });
});

describe('a comparison with the alias', () => {
  const alias = { name: 'digits', alias: 'champion', version: '3', metric: 'accuracy', goal: 'maximize', score: '0.9' } as const;
  const said = (found: Partial<Candidate>, other: Partial<Candidate['aliases'][number]> = {}): string => {
    const { text, kind } = comparison({ ...CANDIDATE, aliases: [{ ...alias, ...other }], ...found }, 'digits', 'champion');
    return `${kind}: ${text}`;
  };

  it.each([
    [{}, {}, 'wb-bad: ✗ 0.5 here, 0.9 for champion (version 3): not better'],
    [{}, { score: '0.2' }, 'wb-ok: ✓ 0.5 here, 0.2 for champion (version 3): better'],
    [{}, { metric: 'loss' }, 'wb-dim: cannot be compared: champion (version 3) has loss 0.9, which is no metric of this one'],
    [{}, { goal: 'minimize' }, 'wb-dim: cannot be compared: less accuracy was better for champion (version 3), and more is here'],
    [{}, { goal: null }, 'wb-bad: ✗ 0.5 here, 0.9 for champion (version 3): not better'],
    [{}, { metric: null }, 'wb-dim: champion is version 3, whose metric is not known'],
    [{ metric: null }, {}, 'wb-dim: cannot be compared: champion (version 3) has accuracy 0.9, which is no metric of this one'],
    [{ metric: null, metrics: [{ name: 'accuracy', value: 0.95, step: 2 }] }, {}, 'wb-ok: ✓ 0.95 here, 0.9 for champion (version 3): better'],
    [{ metric: null, metrics: [{ name: 'accuracy', value: 0.95, step: 2 }] }, { goal: null }, 'wb-dim: 0.95 here, 0.9 for champion (version 3)'],
    [{ registered: [{ name: 'digits', version: '3' }] }, {}, 'wb-dim: champion is this trial already, as version 3']
  ] as const)('of %o with %o', (found, other, expected) => {
    expect(said(found as Partial<Candidate>, other)).toBe(expected);
  });
});
