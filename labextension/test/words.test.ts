import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';
import { wordsOf } from '../src/lab/words';
import { duration } from '../src/view/dom';
import { job, trial } from './jobs';

const trans = nullTranslator.load('workbench');

describe('what a row says', () => {
  it('of a sweep: how far it is, what failed, and its best', () => {
    const sweep = job('s', {
      type: 'sweep',
      status: 'Running',
      total: 10,
      counts: { Completed: 3, Failed: 1, Running: 2 },
      metric: { name: 'accuracy', goal: 'maximize' },
      best: { name: 's_2', number: 2, score: 0.912345678 }
    });
    expect(wordsOf(sweep, trans)).toEqual({ title: 's', status: 'Running', detail: '4 of 10 · 1 failed', best: '0.91235', metric: 'accuracy', done: 0.4 });
    expect(wordsOf({ ...sweep, held: true }, trans).status).toBe('Paused');
    expect(wordsOf({ ...sweep, status: 'Completed' }, trans).done).toBeNull();
  });

  it('of a trial: its parameters, or why it failed', () => {
    expect(wordsOf(trial('s', 3, { params: { rate: 0.001234567, name: 'adam' }, score: 0.5 }), trans)).toMatchObject({ title: 'trial 3', detail: 'rate 0.0012346 · name adam', best: '0.5', metric: '' });
    expect(wordsOf(trial('s', 3, { status: 'Failed', error: 'Traceback\n  …\nValueError: no' }), trans).detail).toBe('ValueError: no');
  });

  it('of what has not ended: where it is, or what it waits for', () => {
    expect(wordsOf(job('n', { status: 'Running', progress: 'cell 3 of 9' }), trans).detail).toBe('cell 3 of 9');
    expect(wordsOf(job('n', { status: 'Queued', reason: 'GPU 0 is leased' }), trans).detail).toBe('GPU 0 is leased');
    expect(wordsOf(job('n', { status: 'CancelRequested' }), trans).status).toBe('Stopping');
  });
});

describe('how long something took', () => {
  it('is rounded once', () => {
    expect([3.14159, 42.4, 59.4, 59.6, 61, 119.7, 3599.8, 7384].map(duration)).toEqual(['3.1 s', '42 s', '59 s', '1:00 min', '1:01 min', '2:00 min', '1:00 h', '2:03 h']);
    expect([null, Infinity].map(duration)).toEqual(['–', '–']);
  });
});
