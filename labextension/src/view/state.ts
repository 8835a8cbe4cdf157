import { trans } from './language';
import type { Header, Incoming, Trial, Verb, Verbs } from './protocol';
import type { Transport } from './transport';

type Listener = (changed: Trial[], all: boolean) => void;

const READING = new Set<Verb>(['figure', 'metrics', 'log', 'usage', 'machine', 'snapshot', 'outputs', 'candidate', 'check_model', 'builder']);

const OVER = ['Completed', 'Failed', 'Canceled'];

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  message: object;
}

/** What the view knows, and the line on which it asks. */
export class State {
  header: Header | null = null;
  readonly trials = new Map<string, Trial>();
  selected = new Set<string>();
  /** Names that the brushes of the parallel coordinates let through; null when nothing is brushed. */
  brushed: Set<string> | null = null;
  linked = true;
  gone: string | null = null;

  private readonly changeListeners: Listener[] = [];
  private readonly selectionListeners: (() => void)[] = [];
  private readonly linkListeners: (() => void)[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  /** Seconds by which the clock of who answers is ahead of the browser's. */
  private ahead = 0;

  constructor(readonly transport: Transport) {
    transport.onMessage(message => this.take(message));
    transport.onLink(up => {
      this.linked = up;
      if (up) {
        this.waiting.forEach(({ message }) => transport.send(message));
      } else {
        this.dropEffects();
      }
      this.linkListeners.forEach(tell => tell());
    });
  }

  onChange(listener: Listener): void {
    this.changeListeners.push(listener);
  }

  onSelection(listener: () => void): void {
    this.selectionListeners.push(listener);
  }

  onLink(listener: () => void): void {
    this.linkListeners.push(listener);
  }

  ask<V extends Verb>(verb: V, args: Verbs[V][0]): Promise<Verbs[V][1]> {
    const id = this.nextId++;
    const message = { ...args, id, verb };
    return new Promise<Verbs[V][1]>((resolve, reject) => {
      this.waiting.set(id, { resolve: value => resolve(value as Verbs[V][1]), reject, message });
      this.transport.send(message);
    });
  }

  select(names: Iterable<string>): void {
    this.selected = new Set(names);
    this.selectionListeners.forEach(tell => tell());
  }

  brush(names: Set<string> | null): void {
    if (names === this.brushed || (names && this.brushed?.size === names.size && [...names].every(name => this.brushed?.has(name)))) {
      return;
    }
    this.brushed = names;
    this.selectionListeners.forEach(tell => tell());
  }

  /** Seconds since the epoch, by the clock that wrote when something started. */
  get now(): number {
    return Date.now() / 1000 + this.ahead;
  }

  /** How long a job or trial has run, in seconds, until now or its end; null where it has not started. */
  elapsed({ started, ended }: { started: number | null; ended: number | null }): number | null {
    return started === null ? null : Math.max(0, (ended ?? this.now) - started);
  }

  /** The one trial that log, outputs and registration are about: the first that is selected, else the best. */
  get focus(): string | null {
    for (const name of this.selected) {
      return name;
    }
    return this.header?.best?.name ?? null;
  }

  byNumber(number: number): Trial | undefined {
    const name = this.header && `${this.header.name}_${number}`;
    return name ? this.trials.get(name) : undefined;
  }

  get isFinished(): boolean {
    return OVER.includes(this.header?.status ?? '');
  }

  /** Whether a trial has ended; the job itself where it has none. */
  isOver(trial: string | null): boolean {
    return OVER.includes(this.trials.get(trial ?? '')?.status ?? this.header?.status ?? '');
  }

  close(): void {
    this.waiting.forEach(({ reject }) => reject(new Error(trans.__('the view was closed'))));
    this.waiting.clear();
    this.transport.close();
  }

  /** Reading can be asked again once the line is back; what has effects might then happen twice. */
  private dropEffects(): void {
    this.waiting.forEach(({ reject, message }, id) => {
      if (!READING.has((message as { verb: Verb }).verb)) {
        this.waiting.delete(id);
        reject(new Error(trans.__('The connection broke before an answer came: look whether it was done, then try again')));
      }
    });
  }

  private takeHeader(header: Header): void {
    this.header = header;
    this.ahead = header.now - Date.now() / 1000;
  }

  private take(message: Incoming): void {
    switch (message.type) {
      case 'state':
        this.gone = null;
        this.takeHeader(message.header);
        this.trials.clear();
        message.trials.forEach(trial => this.trials.set(trial.name, trial));
        this.changeListeners.forEach(tell => tell(message.trials, true));
        break;
      case 'delta':
        this.takeHeader(message.header);
        message.trials.forEach(trial => this.trials.set(trial.name, trial));
        this.changeListeners.forEach(tell => tell(message.trials, false));
        break;
      case 'gone':
        this.gone = message.error;
        this.linkListeners.forEach(tell => tell());
        break;
      case 'reply': {
        const waiting = this.waiting.get(message.id);
        this.waiting.delete(message.id);
        if (message.ok) {
          waiting?.resolve(message.value);
        } else {
          waiting?.reject(new Error(message.error));
        }
      }
    }
  }
}
