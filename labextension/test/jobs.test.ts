import { describe, expect, it } from 'vitest';
import { JobsModel, type Event, type Row } from '../src/lab/jobs';
import type { Summary } from '../src/lab/protocol';
import { job, trial } from './jobs';

const trials = (parent: string, count: number): Summary[] => Array.from({ length: count }, (_, number) => trial(parent, number));

function model(children: Summary[] = []): { model: JobsModel; asked: [string, number, number | undefined][] } {
  const asked: [string, number, number | undefined][] = [];
  const found = new JobsModel((parent, offset, limit) => {
    asked.push([parent, offset, limit]);
    return Promise.resolve({ total: children.length, jobs: children.slice(offset, offset + (limit ?? 2)) });
  });
  return { model: found, asked };
}

const workspace = { root: '/w', relative: '', exists: true, experiments: [] };
const state = (jobs: Summary[], cursor = 5) => ({ type: 'state' as const, cursor, jobs, workspace, queue: null });
const delta = (jobs: Summary[], cursor = 6) => ({ type: 'delta' as const, cursor, jobs });
const names = (rows: Row[]): string[] => rows.map(row => row.key);
const rowOf = (from: JobsModel, key: string): Row => from.rows().find(row => row.key === key) as Row;

describe('the order of jobs', () => {
  it('puts what runs before what waits before what has ended, the newest first', () => {
    const { model: jobs } = model();
    jobs.take(
      state([
        job('old', { created: 1 }),
        job('new', { created: 2 }),
        job('runs', { created: 0, status: 'Running' }),
        job('waits', { created: 9, status: 'Queued' }),
        job('stopping', { created: 3, status: 'CancelRequested' })
      ])
    );
    expect(names(jobs.rows())).toEqual(['stopping', 'runs', 'waits', 'new', 'old']);
  });
});

describe('filter, search and groups', () => {
  const { model: jobs } = model();
  jobs.take(
    state([
      job('one', { experiment: 'digits', status: 'Running', created: 1 }),
      job('two', { experiment: 'digits', status: 'Failed', displayName: 'The Second', created: 2 }),
      job('three', { experiment: 'faces', tags: { owner: 'ada' }, created: 3 }),
      job('put away', { archived: true, created: 4 })
    ])
  );

  it('shows what passes the filter, and archived jobs only when they are asked for', () => {
    expect(names(jobs.rows())).toEqual(['one', 'three', 'two']);
    expect(jobs.counts()).toEqual({ all: 3, active: 1, Completed: 1, Failed: 1, Canceled: 0, archived: 1 });
    jobs.setFilter({ status: 'archived' });
    expect(names(jobs.rows())).toEqual(['put away']);
    jobs.setFilter({ status: 'active' });
    expect(names(jobs.rows())).toEqual(['one']);
    jobs.setFilter({ status: 'all' });
  });

  it('finds all words in names, experiments and tags, whatever their case', () => {
    for (const [text, found] of [
      ['second', ['two']],
      ['DIGITS', ['one', 'two']],
      ['digits second', ['two']],
      ['ada', ['three']],
      ['nobody', []]
    ] as const) {
      jobs.setFilter({ search: text });
      expect(names(jobs.rows())).toEqual(found);
    }
    jobs.setFilter({ search: '' });
  });

  it('groups by experiment, and a group can be closed', () => {
    jobs.setFilter({ grouped: true });
    expect(names(jobs.rows())).toEqual(['group:digits', 'one', 'two', 'group:faces', 'three']);
    expect(jobs.rows().map(row => [row.level, row.position, row.size])).toEqual([
      [1, 1, 2],
      [2, 1, 2],
      [2, 2, 2],
      [1, 2, 2],
      [2, 1, 1]
    ]);
    jobs.toggle(rowOf(jobs, 'group:digits'));
    expect(names(jobs.rows())).toEqual(['group:digits', 'group:faces', 'three']);
    jobs.toggle(rowOf(jobs, 'group:digits'));
    expect(names(jobs.rows())).toHaveLength(5);
    jobs.setFilter({ grouped: false });
  });
});

describe('the trials of a sweep', () => {
  it('are loaded when it is opened, a page at a time', async () => {
    const { model: jobs, asked } = model(trials('sweep', 3));
    const parents: string[][] = [];
    jobs.parentsChanged.connect((_, now) => void parents.push(now));
    jobs.take(state([job('sweep', { type: 'sweep', total: 3 }), job('plain')]));
    expect(rowOf(jobs, 'plain')).toMatchObject({ expanded: null });
    jobs.toggle(rowOf(jobs, 'sweep'));
    expect(parents).toEqual([['sweep']]);
    await Promise.resolve();
    await Promise.resolve();
    expect(names(jobs.rows()).slice(0, 4)).toEqual(['sweep', 'sweep_1', 'sweep_0', 'more:sweep']);
    expect(rowOf(jobs, 'more:sweep')).toMatchObject({ left: { is: 'more', trials: 1 } });
    await jobs.load('sweep');
    expect(names(jobs.rows()).slice(0, 4)).toEqual(['sweep', 'sweep_2', 'sweep_1', 'sweep_0']);
    expect(asked).toEqual([
      ['sweep', 0, undefined],
      ['sweep', 2, undefined]
    ]);
    jobs.toggle(rowOf(jobs, 'sweep'));
    expect(names(jobs.rows())).toEqual(['sweep', 'plain']);
    expect(parents[1]).toEqual([]);
  });

  it('are brought up to date by what is pushed, and are none of the jobs', async () => {
    const { model: jobs } = model(trials('sweep', 1));
    jobs.take(state([job('sweep', { type: 'sweep', status: 'Running' })]));
    jobs.toggle(rowOf(jobs, 'sweep'));
    await Promise.resolve();
    await Promise.resolve();
    jobs.take(delta([trial('sweep', 1, { status: 'Running' })]));
    expect(names(jobs.rows())).toEqual(['sweep', 'sweep_1', 'sweep_0']);
    jobs.take(delta([trial('elsewhere', 0)]));
    expect(jobs.jobs.size).toBe(1);
    expect(jobs.find('sweep_1')?.status).toBe('Running');
  });

  it('are loaded again when the server is back', async () => {
    const { model: jobs, asked } = model(trials('sweep', 2));
    jobs.take(state([job('sweep', { type: 'sweep' })]));
    jobs.toggle(rowOf(jobs, 'sweep'));
    await Promise.resolve();
    await Promise.resolve();
    jobs.setLink('down');
    jobs.setLink('up');
    expect(asked[1]).toEqual(['sweep', 0, 2]);
  });

  it('stay as they were pushed last, whatever an answer that was overtaken says', async () => {
    let answer: (page: { total: number; jobs: Summary[] }) => void = () => undefined;
    const jobs = new JobsModel(() => new Promise(resolve => (answer = resolve)));
    jobs.take(state([job('sweep', { type: 'sweep', status: 'Running' })]));
    jobs.toggle(rowOf(jobs, 'sweep'));
    jobs.take(delta([trial('sweep', 0, { status: 'Completed', seq: 9 })]));
    answer({ total: 1, jobs: [trial('sweep', 0, { status: 'Running', seq: 8 })] });
    await new Promise(resolve => setTimeout(resolve));
    expect(jobs.find('sweep_0')?.status).toBe('Completed');
    jobs.take(delta([trial('sweep', 0, { status: 'Completed', seq: 9, progress: 'cell 3' })]));
    expect(jobs.find('sweep_0')?.progress).toBe('cell 3'); // a notebook's progress is no change of its row
    jobs.add([job('sweep', { type: 'sweep', status: 'Queued', seq: 0 })]);
    expect(jobs.find('sweep')?.status).toBe('Running');
  });

  it('are all found in the end, also when some have run again between two pages', async () => {
    const all = trials('sweep', 5);
    const order = [4, 3, 2, 1, 0];
    const jobs = new JobsModel((_, offset, limit) =>
      Promise.resolve({ total: 5, jobs: order.slice(offset, offset + (limit ?? 2)).map(number => all[number] as Summary) })
    );
    jobs.take(state([job('sweep', { type: 'sweep' })]));
    jobs.toggle(rowOf(jobs, 'sweep'));
    await new Promise(resolve => setTimeout(resolve));
    jobs.take(delta([trial('sweep', 0), trial('sweep', 1)])); // they ran again, and have ended again
    await jobs.load('sweep');
    await jobs.load('sweep');
    expect(names(jobs.rows())).toEqual(['sweep', 'sweep_4', 'sweep_3', 'sweep_2', 'sweep_1', 'sweep_0']);
  });

  it('are asked for by the page after a first page that never came', async () => {
    const asked: (number | undefined)[] = [];
    const jobs = new JobsModel((_, __, limit) => (asked.push(limit), Promise.reject(new Error('gone'))));
    jobs.take(state([job('sweep', { type: 'sweep' })]));
    jobs.toggle(rowOf(jobs, 'sweep'));
    await new Promise(resolve => setTimeout(resolve));
    jobs.setLink('down');
    jobs.setLink('up');
    expect(asked).toEqual([undefined, undefined]);
  });

  it('say what went wrong, and that there are none', async () => {
    const broken = new JobsModel(() => Promise.reject(new Error('no answer')));
    broken.take(state([job('sweep', { type: 'sweep' })]));
    broken.toggle(rowOf(broken, 'sweep'));
    await new Promise(resolve => setTimeout(resolve));
    expect(rowOf(broken, 'more:sweep')).toMatchObject({ left: { is: 'problem', message: 'no answer' } });
    const { model: none } = model();
    none.take(state([job('sweep', { type: 'sweep' })]));
    none.toggle(rowOf(none, 'sweep'));
    await new Promise(resolve => setTimeout(resolve));
    expect(rowOf(none, 'more:sweep')).toMatchObject({ left: { is: 'none' } });
  });
});

describe('what comes over the line', () => {
  it('forgets what a new state no longer has, and goes on from its cursor', () => {
    const { model: jobs } = model();
    jobs.take(state([job('gone'), job('stays')], 50));
    jobs.take(state([job('stays')], 7));
    expect([...jobs.jobs.keys()]).toEqual(['stays']);
    expect(jobs.cursor).toBe(7);
    jobs.take(delta([job('stays')], 9));
    jobs.take(delta([job('stays')], 8));
    expect(jobs.cursor).toBe(9);
  });

  it('tells once when a job ends and when trials fail, and nothing of what was there before', () => {
    const { model: jobs } = model();
    const told: Event[] = [];
    jobs.happened.connect((_, event) => void told.push(event));
    const sweep = (status: string, failed: number) => job('sweep', { type: 'sweep', status, counts: { Failed: failed } });
    jobs.take(state([sweep('Running', 3), job('ended before')]));
    expect(told).toEqual([]);
    jobs.take(delta([sweep('Running', 3)]));
    jobs.take(delta([sweep('Running', 4)]));
    jobs.take(delta([sweep('Completed', 4)]));
    jobs.take(delta([sweep('Completed', 4)]));
    jobs.take(delta([job('new', { status: 'Running' })]));
    expect(told.map(({ kind, job: about }) => [kind, about.name])).toEqual([
      ['trial-failed', 'sweep'],
      ['ended', 'sweep']
    ]);
  });

  it('tells what ended while the server was away', () => {
    const { model: jobs } = model();
    const told: string[] = [];
    jobs.happened.connect((_, event) => void told.push(event.kind));
    jobs.take(state([job('a', { status: 'Running' })]));
    jobs.setLink('down');
    jobs.setLink('up');
    jobs.take(state([job('a')]));
    expect(told).toEqual(['ended']);
  });
});

describe('another workspace', () => {
  it('has nothing of the one before', async () => {
    const { model: jobs } = model(trials('sweep', 1));
    jobs.take(state([job('sweep', { type: 'sweep' }), job('old', { archived: true })], 50));
    jobs.archivedLoaded = true;
    jobs.toggle(rowOf(jobs, 'sweep'));
    await new Promise(resolve => setTimeout(resolve));
    jobs.forget();
    expect([jobs.cursor, jobs.loaded, jobs.archivedLoaded, jobs.parents, jobs.workspace]).toEqual([0, false, false, [], null]);
    expect([...jobs.jobs.keys(), ...jobs.rows()]).toEqual([]);
    jobs.take(state([job('new')], 3));
    expect([...jobs.jobs.keys()]).toEqual(['new']);
  });

  it('takes a state whole, whatever its changes are numbered', () => {
    const { model: jobs } = model();
    jobs.take(state([job('same', { seq: 40, status: 'Completed' })], 50));
    jobs.take(state([job('same', { seq: 2, status: 'Running' })], 3));
    expect(jobs.find('same')?.status).toBe('Running');
  });

  it('that the server refuses is said until there is a line', () => {
    const { model: jobs } = model();
    jobs.setLink('down');
    jobs.refuse('outside of what this server serves');
    jobs.setLink('down');
    expect(jobs.problem).toBe('outside of what this server serves');
    jobs.setLink('up');
    expect(jobs.problem).toBe('');
  });

  it('of a server without the workbench does not go to and fro', () => {
    const { model: jobs } = model();
    jobs.setLink('missing');
    jobs.setLink('down');
    expect(jobs.link).toBe('missing');
    jobs.setLink('up');
    expect(jobs.link).toBe('up');
  });
});

describe('what else can be asked', () => {
  const { model: jobs } = model();
  jobs.take(
    state([
      job('runs', { status: 'Running', type: 'sweep', folder: 'work/runs/runs', counts: { Running: 2, Completed: 1 } }),
      job('waits', { status: 'Queued', folder: 'work/runs/waits' }),
      job('done', { folder: 'work/runs/done' })
    ])
  );

  it('counts what runs and what waits', () => {
    expect(jobs.running()).toEqual({ jobs: 1, trials: 2, waiting: 1 });
  });

  it('knows whose folder a file is in', () => {
    expect(jobs.ofPath('work/runs/runs/0012/artifacts/output.ipynb')).toBe('runs_12');
    expect(jobs.ofPath('work/runs/done/artifacts/output.ipynb')).toBe('done');
    expect(jobs.ofPath('work/runs/done.ipynb')).toBeNull();
    expect(jobs.ofPath('notebook.ipynb')).toBeNull();
  });
});
