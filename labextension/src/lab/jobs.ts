import { Signal } from '@lumino/signaling';
import type { Link, Listener } from './changes';
import { isFinished, type Queue, type Summary, type Told, type Workspace } from './protocol';

export type StatusFilter = 'all' | 'active' | 'Completed' | 'Failed' | 'Canceled' | 'archived';

export interface Filter {
  status: StatusFilter;
  search: string;
  grouped: boolean;
}

/** The trials of a sweep that were loaded so far. */
interface Children {
  trials: Map<string, Summary>;
  total: number;
  loading: boolean;
  problem: string | null;
}

export type Row =
  | { kind: 'group'; key: string; level: number; title: string; jobs: number; expanded: boolean; position: number; size: number }
  | { kind: 'job'; key: string; level: number; job: Summary; expanded: boolean | null; position: number; size: number }
  | { kind: 'more'; key: string; level: number; parent: string; left: Left; position: number; size: number };

/** What stands at the end of a sweep's trials. */
export type Left = { is: 'loading' } | { is: 'none' } | { is: 'more'; trials: number } | { is: 'problem'; message: string };

/** What has happened to a job that somebody may want to hear of. */
export interface Event {
  kind: 'ended' | 'trial-failed';
  job: Summary;
}

const ACTIVE_FIRST: Record<string, number> = { Completed: 2, Failed: 2, Canceled: 2, NotStarted: 1, Queued: 1 };

/** Ask for one page after the other until all are there. */
export async function everyPage(ask: (offset: number) => Promise<{ total: number; jobs: Summary[] }>, take: (jobs: Summary[]) => void): Promise<void> {
  for (let offset = 0, total = 1; offset < total; ) {
    const page = await ask(offset);
    take(page.jobs);
    offset += page.jobs.length;
    total = page.jobs.length ? page.total : 0;
  }
}

/** All jobs of the workspace as the panel shows them: told by the server, filtered, grouped and expanded by the user. */
export class JobsModel implements Listener {
  readonly changed = new Signal<this, void>(this);
  readonly happened = new Signal<this, Event>(this);
  /** The set of expanded sweeps is another one. */
  readonly parentsChanged = new Signal<this, string[]>(this);
  readonly jobs = new Map<string, Summary>();
  filter: Filter = { status: 'all', search: '', grouped: false };
  cursor = 0;
  link: Link = 'connecting';
  loaded = false;
  /** What keeps the server from telling more. */
  problem = '';
  queue: Queue | null = null;
  workspace: Workspace | null = null;
  /** Whether the archived jobs are known too. */
  archivedLoaded = false;

  private readonly children = new Map<string, Children>();
  private readonly folded = new Set<string>();

  /**
   * @param loadTrials asks for some trials of a sweep, from an offset on.
   */
  constructor(private readonly loadTrials: (parent: string, offset: number, limit?: number) => Promise<{ total: number; jobs: Summary[] }>) {}

  get parents(): string[] {
    return [...this.children.keys()];
  }

  /** The job called so, trial or not, as far as it is known here. */
  find(name: string): Summary | undefined {
    return this.jobs.get(name) ?? this.children.get(name.replace(/_\d+$/, ''))?.trials.get(name);
  }

  /** The job whose folder holds a file. */
  ofPath(path: string): string | null {
    for (const job of this.jobs.values()) {
      if (job.folder && path.startsWith(`${job.folder}/`)) {
        const number = /^\d+/.exec(path.slice(job.folder.length + 1))?.[0];
        return job.type === 'sweep' && number !== undefined ? `${job.name}_${Number(number)}` : job.name;
      }
    }
    return null;
  }

  setLink(link: Link): void {
    if (link === 'down' && this.link === 'missing') {
      return; // it is tried again and again, and for the same reason in vain
    }
    const back = link === 'up' && this.link === 'down';
    if (link !== this.link) {
      this.problem = ''; // said by a line that is no more, or why there was none
    }
    this.link = link;
    if (back) {
      this.parents.forEach(parent => void this.load(parent, this.children.get(parent)?.trials.size || undefined));
    }
    this.changed.emit();
  }

  /** Take note that the server tells nothing, and why. */
  refuse(problem: string): void {
    if (this.problem !== problem) {
      this.problem = problem;
      this.changed.emit();
    }
  }

  /** Know nothing any more, as at first: another workspace is meant from now on. */
  forget(): void {
    this.jobs.clear();
    this.children.clear();
    this.cursor = 0;
    this.loaded = this.archivedLoaded = false;
    this.queue = null;
    this.workspace = null;
    this.problem = '';
    this.changed.emit();
  }

  take(message: Told): void {
    if (message.type === 'problem') {
      this.problem = [message.message, message.todo].filter(Boolean).join('. ');
      this.changed.emit();
      return;
    }
    const first = !this.loaded;
    if (message.type === 'state') {
      this.workspace = message.workspace;
      const there = new Set(message.jobs.map(job => job.name));
      for (const [name, job] of this.jobs) {
        if (!there.has(name) && !job.archived) {
          this.jobs.delete(name);
        }
      }
      this.loaded = true;
    }
    this.cursor = message.type === 'state' ? message.cursor : Math.max(this.cursor, message.cursor);
    if (message.queue) {
      this.queue = message.queue;
    }
    message.jobs.forEach(job => this.put(job, first, message.type === 'state'));
    this.changed.emit();
  }

  setFilter(part: Partial<Filter>): void {
    this.filter = { ...this.filter, ...part };
    this.changed.emit();
  }

  /** Add jobs that the server was asked for, such as archived ones; what it has pushed since then stays. */
  add(jobs: Summary[]): void {
    jobs.forEach(job => this.put(job, true));
    this.changed.emit();
  }

  /** Open or close a group or a sweep; a sweep's trials are loaded when it is opened, and there once this is done. */
  toggle(row: Row, open = !(row.kind !== 'more' && row.expanded)): Promise<void> {
    let done = Promise.resolve();
    if (row.kind === 'group') {
      if (open) {
        this.folded.delete(row.key);
      } else {
        this.folded.add(row.key);
      }
    } else if (row.kind === 'job' && row.expanded !== null) {
      if (open === row.expanded) {
        return done;
      }
      if (open) {
        this.children.set(row.job.name, { trials: new Map(), total: 0, loading: false, problem: null });
        done = this.load(row.job.name);
      } else {
        this.children.delete(row.job.name);
      }
      this.parentsChanged.emit(this.parents);
    }
    this.changed.emit();
    return done;
  }

  /** Load trials of an expanded sweep: the next ones, or the first `again` anew. */
  async load(parent: string, again?: number): Promise<void> {
    const children = this.children.get(parent);
    if (!children || children.loading) {
      return;
    }
    children.loading = true;
    children.problem = null;
    this.changed.emit();
    try {
      const before = children.trials.size;
      const page = await this.loadTrials(parent, again === undefined ? before : 0, again);
      children.total = page.total;
      page.jobs.forEach(trial => keepNewer(children.trials, trial));
      if (again === undefined && children.trials.size === before && page.total > before) {
        // Trials that ran again have changed their places meanwhile: what is missing is not where the next page begins.
        (await this.loadTrials(parent, 0, page.total)).jobs.forEach(trial => keepNewer(children.trials, trial));
      }
    } catch (error) {
      children.problem = error instanceof Error ? error.message : String(error);
    }
    children.loading = false;
    this.changed.emit();
  }

  /** How many jobs there are of each filter. */
  counts(): Record<StatusFilter, number> {
    const found: Record<StatusFilter, number> = { all: 0, active: 0, Completed: 0, Failed: 0, Canceled: 0, archived: 0 };
    const filters: StatusFilter[] = ['all', 'active', 'Completed', 'Failed', 'Canceled', 'archived'];
    for (const job of this.jobs.values()) {
      filters.forEach(filter => (found[filter] += Number(passes(job, filter))));
    }
    return found;
  }

  /** How many jobs are under way, and how many trials of sweeps run. */
  running(): { jobs: number; trials: number; waiting: number } {
    const found = { jobs: 0, trials: 0, waiting: 0 };
    for (const job of this.jobs.values()) {
      if (isFinished(job)) {
        continue;
      }
      if (job.status === 'Queued' || job.status === 'NotStarted') {
        found.waiting += 1;
      } else {
        found.jobs += 1;
        found.trials += job.counts['Running'] ?? 0;
      }
    }
    return found;
  }

  /** What the tree shows, from top to bottom. */
  rows(): Row[] {
    const words = this.filter.search.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [...this.jobs.values()].filter(job => passes(job, this.filter.status) && matches(job, words)).sort(runningFirst);
    if (!this.filter.grouped) {
      return shown.flatMap((job, index) => this.rowsOf(job, 1, index + 1, shown.length));
    }
    const groups = new Map<string, Summary[]>();
    shown.forEach(job => groups.set(job.experiment, [...(groups.get(job.experiment) ?? []), job]));
    return [...groups].flatMap(([title, jobs], index) => {
      const key = `group:${title}`;
      const expanded = !this.folded.has(key);
      const head: Row = { kind: 'group', key, level: 1, title, jobs: jobs.length, expanded, position: index + 1, size: groups.size };
      return expanded ? [head, ...jobs.flatMap((job, at) => this.rowsOf(job, 2, at + 1, jobs.length))] : [head];
    });
  }

  private rowsOf(job: Summary, level: number, position: number, size: number): Row[] {
    const children = this.children.get(job.name);
    const row: Row = { kind: 'job', key: job.name, level, job, expanded: job.type === 'sweep' ? children !== undefined : null, position, size };
    if (!children) {
      return [row];
    }
    const trials = [...children.trials.values()].sort(runningFirst);
    const end = endOf(children, trials.length);
    const inside = trials.length + (end ? 1 : 0);
    const rows: Row[] = trials.map((trial, index) => ({ kind: 'job', key: trial.name, level: level + 1, job: trial, expanded: null, position: index + 1, size: inside }));
    if (end) {
      rows.push({ kind: 'more', key: `more:${job.name}`, level: level + 1, parent: job.name, left: end, position: inside, size: inside });
    }
    return [row, ...rows];
  }

  private put(job: Summary, quiet: boolean, whole = false): void {
    if (job.parent !== null) {
      const children = this.children.get(job.parent);
      if (children) {
        children.total = Math.max(children.total, keepNewer(children.trials, job));
      }
      return;
    }
    const before = this.jobs.get(job.name);
    if (before && job.seq < before.seq && !whole) {
      return; // an answer that was overtaken by what the server has pushed
    }
    this.jobs.set(job.name, job);
    const children = this.children.get(job.name);
    if (children) {
      children.total = Math.max(children.total, Object.values(job.counts).reduce((sum, count) => sum + count, 0));
    }
    if (quiet || !before) {
      return;
    }
    if (!isFinished(before) && isFinished(job)) {
      this.happened.emit({ kind: 'ended', job });
    } else if ((job.counts['Failed'] ?? 0) > (before.counts['Failed'] ?? 0)) {
      this.happened.emit({ kind: 'trial-failed', job });
    }
  }
}

function endOf({ problem, loading, total }: Children, shown: number): Left | null {
  if (problem !== null) {
    return { is: 'problem', message: problem };
  }
  if (loading) {
    return { is: 'loading' };
  }
  return total > shown ? { is: 'more', trials: total - shown } : shown ? null : { is: 'none' };
}

/** An answer may be overtaken by what the server pushes meanwhile. */
function keepNewer(trials: Map<string, Summary>, trial: Summary): number {
  if (trial.seq >= (trials.get(trial.name)?.seq ?? 0)) {
    trials.set(trial.name, trial);
  }
  return trials.size;
}

function passes(job: Summary, filter: StatusFilter): boolean {
  if (job.archived || filter === 'archived') {
    return job.archived && filter === 'archived';
  }
  return filter === 'all' || (filter === 'active' ? !isFinished(job) : job.status === filter);
}

function matches(job: Summary, words: string[]): boolean {
  if (!words.length) {
    return true;
  }
  const text = [job.name, job.displayName, job.experiment, ...Object.entries(job.tags).flat()].join(' ').toLowerCase();
  return words.every(word => text.includes(word));
}

/** What runs comes before what waits and that before what has ended; the newest first. */
function runningFirst(one: Summary, other: Summary): number {
  const rank = (job: Summary): number => ACTIVE_FIRST[job.status] ?? 0;
  return rank(one) - rank(other) || (other.number ?? 0) - (one.number ?? 0) || other.created - one.created || (one.name < other.name ? 1 : -1);
}
