import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { isOnlyAssignments } from '../src/lab/assignments';
import { choicesOf, draftOf, goalOf, kindsOf, likelyKind, literal, metricsIn, objections, placeOf, renew, requestOf, scalar, type Draft, type Kind } from '../src/lab/form/draft';
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
});

describe('reading Python', () => {
  it('takes literals at their word, and nothing else', () => {
    const cases: [string | null, unknown][] = [
      ['1', 1],
      ['1_000', 1000],
      ['-2.5e-3', -0.0025],
      ['True', true],
      ['None', null],
      ["'a'", 'a'],
      ['"b"', 'b'],
      ['[1]', undefined],
      ['f(1)', undefined],
      [null, undefined]
    ];
    for (const [text, value] of cases) {
      expect(literal(text)).toBe(value);
    }
    expect(['1', 'true', 'adam', ' "x y" '].map(scalar)).toEqual([1, true, 'adam', 'x y']);
    expect(choicesOf({ ...field(draft(), 'rate'), choices: '[1, two, "3"]' })).toEqual([1, 'two', '3']);
  });

  it('finds the metrics that a notebook logs', () => {
    expect(
      metricsIn('mlflow.log_metric("accuracy", 1)\nmlflow.log_metrics({"loss": 1, \'f1\': 2})\nworkbench.log(step=3, auc=0.5, error=x == 2)\nlog_metric(key="late", value=1)\nmlflow.log_metric("accuracy", 2)')
    ).toEqual(['accuracy', 'late', 'loss', 'f1', 'auc', 'error']);
    expect([goalOf('val_loss'), goalOf('accuracy'), goalOf('RMSE')]).toEqual(['minimize', 'maximize', 'minimize']);
  });

  it('knows a cell that only gives names to values', () => {
    expect(isOnlyAssignments('# defaults\nrate = 0.1\nname: str = "x"\n')).toBe(true);
    for (const other of ['', '# only words', 'import os', 'x = f(1)', 'x == 1', 'x = 1\nprint(x)', 'for i in x:\n    y = 1']) {
      expect(isOnlyAssignments(other)).toBe(false);
    }
  });
});
