import type { Told } from './protocol';

/** 'missing': the server answers, but has no workbench. */
export type Link = 'connecting' | 'up' | 'down' | 'missing';

/** Who is told what comes over the line. */
export interface Listener {
  /** The last change that is known; 0 at first. */
  readonly cursor: number;
  /** The sweeps whose trials are wanted too. */
  readonly parents: Iterable<string>;
  take(message: Told): void;
  setLink(link: Link): void;
}

const OPEN = 1;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/** The line on which the server pushes what changes; it comes back by itself after the server or the network was away. */
export class Changes {
  private socket: WebSocket | null = null;
  private waiting = FIRST_WAIT;
  private timer = 0;
  private closed = false;

  constructor(
    private readonly makeSocket: () => WebSocket,
    private readonly listener: Listener
  ) {
    this.open();
  }

  /** Say which sweeps' trials are wanted now. */
  expand(parents: Iterable<string>): void {
    this.send({ type: 'expand', parents: [...parents] });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private send(message: object): void {
    if (this.socket?.readyState === OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  private open(): void {
    const socket = this.makeSocket();
    this.socket = socket;
    socket.onopen = () => {
      this.waiting = FIRST_WAIT;
      this.listener.setLink('up');
      const { cursor, parents } = this.listener;
      if (cursor > 0) {
        this.send({ type: 'resume', since: cursor, parents: [...parents] });
      }
    };
    socket.onmessage = event => this.listener.take(JSON.parse(String(event.data)) as Told);
    socket.onclose = () => {
      if (this.closed) {
        return;
      }
      this.listener.setLink('down');
      this.timer = setTimeout(() => this.open(), this.waiting) as unknown as number;
      this.waiting = Math.min(2 * this.waiting, LONGEST_WAIT);
    };
  }
}
