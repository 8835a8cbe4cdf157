import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { choicesOf, draftOf, goalOf, kindsOf, likelyKind, metricsIn, objections, placeOf, renew, requestOf, valueOf, type Draft, type Kind } from '../src/lab/form/draft';
import type { Parameter } from '../src/lab/protocol';

const parameter = (name: string, written: string | null, type: string | null = null): Parameter => ({ name, type, default: written, help: '' });

const trans = nullTranslator.load('workbench');
const PARAMETERS = [parameter('rate', '0.01'), parameter('hidden', '32'), parameter('name', "'adam'"), parameter('fast', 'True'), parameter('extra', 'dict(a=1)'), parameter('needed', null, 'int')];

function draft(sweep = true): Draft {
  return draftOf('work/train.ipynb', { tagged: true, parameters: PARAMETERS, kernel: 'python3', problems: [] }, ['accuracy'], sweep, 2);
}

function field(of: Draft, name: string) {
  const found = of.fields.find(entry => entry.parameter.name === name);
  if (!found) {
    throw new Error(name);
  }
  return found;
}

const asked = (of: Draft) => (requestOf(of).notebook as { inputs: Record<string, unknown> }).inputs;

describe('a new form', () => {
  it('has the defaults of the notebook, and lets the first number vary', () => {
    const found = draft();
    expect(found.fields.map(entry => entry.fixed)).toEqual(['0.01', '32', "'adam'", 'True', 'dict(a=1)', '']);
    expect(found.fields.map(entry => entry.kind)).toEqual(['loguniform', 'fixed', 'fixed', 'fixed', 'fixed', 'fixed']);
    expect(found).toMatchObject({ metric: 'accuracy', goal: 'maximize', trials: '20', concurrent: '2', experiment: 'train' });
  });

  it('offers what suits a parameter', () => {
    const found = draft();
    expect(kindsOf(field(found, 'rate'))).toContain('loguniform');
    expect(kindsOf(field(found, 'name'))).toEqual(['fixed', 'choice']);
    expect(kindsOf(field(found, 'needed'))).toEqual(['fixed', 'whole', 'choice']);
    expect(['rate', 'hidden', 'name', 'fast', 'needed'].map(name => likelyKind(field(found, name)))).toEqual(['loguniform', 'whole', 'choice', 'choice', 'whole']);
    expect(field(found, 'fast').choices).toBe('True, False');
  });

  it('keeps what was chosen when the notebook is saved with other parameters', () => {
    const found = draft();
    Object.assign(field(found, 'rate'), { kind: 'uniform', low: '1', high: '2' });
    renew(found, { tagged: true, parameters: [parameter('rate', '0.01'), parameter('hidden', '64'), parameter('fresh', '1')], kernel: null, problems: [] });
    expect(found.fields.map(entry => [entry.parameter.name, entry.kind, entry.fixed])).toEqual([
      ['rate', 'uniform', '0.01'],
      ['hidden', 'fixed', '64'],
      ['fresh', 'fixed', '1']
    ]);
  });
});

describe('a notebook that is saved while the form is open', () => {
  it('says whether its parameters are others', () => {
    const found = draft();
    field(found, 'hidden').fixed = '6';
    const [before] = found.fields;
    const same = PARAMETERS.map(entry => ({ ...entry }));
    expect(renew(found, { tagged: true, parameters: same, kernel: null, problems: [] })).toBe(false);
    expect(found.fields[0]).toBe(before);
    expect(renew(found, { tagged: true, parameters: same.slice(1), kernel: null, problems: [] })).toBe(true);
    expect(field(found, 'hidden').fixed).toBe('6');
  });
});

describe('a notebook that gets its parameters cell while the form is open', () => {
  it('fills the form as if it had had it from the first', () => {
    const found = draftOf('a.ipynb', { tagged: false, parameters: [], kernel: null, problems: [] }, [], true, 2);
    renew(found, { tagged: true, parameters: PARAMETERS, kernel: null, problems: [] });
    expect(found.fields.map(entry => entry.kind).filter(kind => kind !== 'fixed')).toEqual(['loguniform']);
  });
});

describe('what the server is asked', () => {
  it('leaves out what stays as it is in the notebook', () => {
    const found = draft();
    field(found, 'hidden').fixed = '64';
    field(found, 'name').fixed = 'sgd';
    expect(Object.keys(asked(found))).toEqual(['rate', 'hidden', 'name']);
    expect(asked(found)).toMatchObject({ hidden: 64, name: 'sgd' });
  });

  it('writes each distribution as Azure does', () => {
    const written = (kind: Kind, low: string, high: string, choices = ''): unknown => {
      const found = draft();
      Object.assign(field(found, 'rate'), { kind, low, high, choices });
      return asked(found)['rate'];
    };
    expect(written('uniform', '0', '0.5')).toEqual({ type: 'uniform', min_value: 0, max_value: 0.5 });
    expect(written('loguniform', '0.001', '1')).toEqual({ type: 'loguniform', min_value: Math.log(0.001), max_value: 0 });
    expect(written('whole', '2', '4')).toEqual({ type: 'choice', values: [2, 3, 4] });
    expect(written('whole', '0', '20000')).toEqual({ type: 'quniform', min_value: 0, max_value: 20000, q: 1 });
    expect(written('normal', '1', '2')).toEqual({ type: 'normal', mu: 1, sigma: 2 });
    expect(written('choice', '', '', '1, 2.5, "a, b", True')).toEqual({ type: 'choice', values: [1, 2.5, 'a, b', true] });
  });

  it('has no search for a single run', () => {
    const found = draft(false);
    expect(requestOf(found)).toEqual({ notebook: { path: 'work/train.ipynb', inputs: {}, experiment: 'train' } });
  });

  it('carries limits, sampling and resources', () => {
    const found = { ...draft(), sampler: 'sobol' as const, stop: 'bandit' as const, concurrent: '', cpus: '2', memory: '8g', timeout: '60', along: true };
    expect(requestOf(found).notebook).toMatchObject({
      code: 'work',
      timeout: 60,
      resources: { cpus: 2, memory: '8g' },
      sweep: { metric: 'accuracy', goal: 'maximize', trials: 20, sampler: { type: 'random', rule: 'sobol' }, stop: { type: 'bandit' } }
    });
    expect((requestOf(found).notebook as { sweep: object }).sweep).not.toHaveProperty('concurrent');
  });
});

describe('what is typed for a parameter', () => {
  const PARAMETERS = [
    parameter('rate', '0.01'),
    parameter('product', '2 * 16'),
    parameter('name', "'adam'"),
    parameter('place', null, 'pathlib.Path | None'),
    parameter('layers', '[64, 64]'),
    parameter('open', 'None')
  ];
  const form = (): Draft => draftOf('a.ipynb', { tagged: true, parameters: PARAMETERS, kernel: null, problems: [] }, ['loss'], false, 2);

  it('is a value for what is no text, and for a text what is typed', () => {
    const found = form();
    const typed = (name: string, ...texts: string[]): unknown[] => texts.map(text => valueOf(field(found, name), text));
    expect(typed('rate', '1', 'True', ' None ', '"x"', 'many', '[1, 2]')).toEqual([1, true, null, 'x', undefined, [1, 2]]);
    expect(typed('name', 'sgd', ' "x y" ', '64', 'true', 'None', "'open", 'a, b')).toEqual(['sgd', 'x y', '64', 'true', null, undefined, 'a, b']);
    expect(typed('place', 'data/a.csv', '2024')).toEqual(['data/a.csv', '2024']);
  });

  it('is refused where it is no value, and where no job can be given it', () => {
    const wrong = (name: string, text: string): string | undefined => {
      const found = form();
      field(found, 'place').fixed = 'data';
      field(found, name).fixed = text;
      return objections(found, trans).find(one => one.field === `parameter:${name}`)?.message;
    };
    expect(wrong('product', '2 * 16')).toBeUndefined();
    expect(wrong('product', '2 * 32')).toMatch('2 * 32 is no value: give a number');
    expect(wrong('product', '64')).toBeUndefined();
    expect(wrong('open', 'data.csv')).toMatch('a text in quotes');
    expect(wrong('open', "'data.csv'")).toBeUndefined();
    expect(wrong('layers', '[64, 64]')).toBeUndefined();
    expect(wrong('layers', '[32, 32]')).toMatch('lists and mappings are changed in the notebook');
    expect(wrong('rate', 'None')).toMatch('None, lists');
    expect(wrong('layers', '[32, 32')).toMatch('is no value');
    expect(wrong('name', '')).toMatch("an empty text is ''");
    expect(wrong('name', "''")).toBeUndefined();
    expect(wrong('place', '')).toMatch('needs a value');
  });

  it('offers nothing that varies for lists', () => {
    expect(kindsOf(field(form(), 'layers'))).toEqual(['fixed']);
    expect(kindsOf(field(form(), 'place'))).toEqual(['fixed', 'choice']);
  });

  it('may be several values, each of which is one', () => {
    const found = { ...form(), sweep: true };
    const choices = (name: string, text: string): [unknown[], string | undefined] => {
      const one = Object.assign(field(found, name), { kind: 'choice', choices: text });
      return [choicesOf(one), objections(found, trans).find(({ field: at }) => at === `parameter:${name}`)?.message];
    };
    expect(choices('rate', '[1, 2.5, "a, b", True]')).toEqual([[1, 2.5, 'a, b', true], undefined]);
    expect(choices('rate', '1, two')[1]).toMatch('two is no value');
    expect(choices('rate', '[1, 2], [3]')[1]).toMatch('lists and mappings');
    expect(choices('name', "adam, 'it\\'s, so', o'clock, 3")).toEqual([['adam', "it's, so", "o'clock", '3'], undefined]);
    expect(choices('name', "'open, b")[1]).toMatch('is no value');
  });
});

describe('what is wrong', () => {
  const wrong = (change: (of: Draft) => void): string[] => {
    const found = draft();
    field(found, 'needed').fixed = '3';
    change(found);
    return objections(found, trans).map(({ field: at }) => at);
  };

  it('is nothing in a form that is filled', () => {
    expect(wrong(() => undefined)).toEqual([]);
  });

  it.each<[string, (of: Draft) => void, string]>([
    ['a parameter without a value', of => (field(of, 'needed').fixed = ''), 'parameter:needed'],
    ['a reversed range', of => Object.assign(field(of, 'rate'), { low: '1', high: '0.1' }), 'parameter:rate'],
    ['a word for a number', of => (field(of, 'rate').low = 'little'), 'parameter:rate'],
    ['a logarithm of 0', of => (field(of, 'rate').low = '0'), 'parameter:rate'],
    ['half a whole number', of => Object.assign(field(of, 'rate'), { kind: 'whole', low: '0.5', high: '4' }), 'parameter:rate'],
    ['a choice of nothing', of => Object.assign(field(of, 'rate'), { kind: 'choice', choices: ' , ' }), 'parameter:rate'],
    ['no deviation', of => Object.assign(field(of, 'rate'), { kind: 'normal', low: '0', high: '0' }), 'parameter:rate'],
    ['nothing that varies', of => (field(of, 'rate').kind = 'fixed'), 'search'],
    ['no metric', of => (of.metric = ' '), 'metric'],
    ['no trials', of => (of.trials = '0'), 'trials'],
    ['half a trial at once', of => (of.concurrent = '1.5'), 'concurrent'],
    ['a grid over a range', of => (of.sampler = 'grid'), 'sampler'],
    ['early stopping of bayesian trials', of => Object.assign(of, { sampler: 'bayesian', stop: 'bandit' }), 'stop']
  ])('is %s', (_, change, at) => {
    expect(wrong(change)).toEqual([at]);
  });

  it('is shown where the server means it', () => {
    const found = draft();
    for (const [at, place] of [
      ['notebook.inputs.rate', 'parameter:rate'],
      ['notebook.inputs.rate.min_value', 'parameter:rate'],
      ['notebook.sweep.metric', 'metric'],
      ['notebook.sweep.concurrent', 'concurrent'],
      ['notebook.sweep.trials', 'trials'],
      ['notebook.sweep.sampler', 'sampler'],
      ['notebook.resources.gpus', 'gpus'],
      ['notebook.environment', 'environment'],
      ['somewhere', '']
    ] as const) {
      expect(placeOf(at, found)).toBe(place);
    }
  });

  it('is shown at a field of the form whatever a parameter is called', () => {
    const parameters = ['metric', 'trials', 'timeout'].map(name => parameter(name, '1'));
    const found = draftOf('a.ipynb', { tagged: true, parameters, kernel: null, problems: [] }, [], true, 2);
    for (const [at, place] of [
      ['notebook.sweep.metric', 'metric'],
      ['notebook.sweep.trials', 'trials'],
      ['notebook.timeout', 'timeout'],
      ['notebook.inputs.metric', 'parameter:metric'],
      ['notebook.inputs.trials.values.0', 'parameter:trials'],
      ['notebook.inputs.another_metric', '']
    ] as const) {
      expect(placeOf(at, found)).toBe(place);
    }
  });
});

describe('reading a notebook', () => {
  it('finds the metrics that a notebook logs', () => {
    expect(
      metricsIn('mlflow.log_metric("accuracy", 1)\nmlflow.log_metrics({"loss": 1, \'f1\': 2})\nworkbench.log(step=3, auc=0.5, error=x == 2)\nlog_metric(key="late", value=1)\nmlflow.log_metric("accuracy", 2)')
    ).toEqual(['accuracy', 'late', 'loss', 'f1', 'auc', 'error']);
    expect([goalOf('val_loss'), goalOf('accuracy'), goalOf('RMSE')]).toEqual(['minimize', 'maximize', 'minimize']);
  });
});
