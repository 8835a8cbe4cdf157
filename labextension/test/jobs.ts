import type { Summary } from '../src/lab/protocol';

/** A job that has completed, but for what is said of it. */
export function job(name: string, part: Partial<Summary> = {}): Summary {
  return {
    name,
    type: 'command',
    runs: 'command',
    parent: null,
    number: null,
    displayName: name,
    experiment: 'tests',
    status: 'Completed',
    held: false,
    reason: null,
    error: null,
    created: 1,
    started: 2,
    ended: 3,
    archived: false,
    attempt: 1,
    metric: null,
    best: null,
    score: null,
    counts: {},
    total: null,
    params: {},
    progress: null,
    tags: {},
    folder: `runs/${name}`,
    notebook: null,
    log: null,
    seq: 1,
    ...part
  };
}

export function trial(parent: string, number: number, part: Partial<Summary> = {}): Summary {
  return job(`${parent}_${number}`, { type: 'trial', parent, number, ...part });
}
