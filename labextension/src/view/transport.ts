import type { Incoming } from './protocol';
import type { Plotly } from './plotly';

/** How messages travel: over a kernel's comm, or over the server's WebSocket. */
export interface Transport {
  send(message: object): void;
  onMessage(take: (message: Incoming) => void): void;
  /** Called with true when messages can travel again, with false when they no longer do. */
  onLink(take: (up: boolean) => void): void;
  /** What to say while messages do not travel, where it is not that the line is tried again. */
  lost?(): string;
  loadPlotly(): Promise<Plotly>;
  close(): void;
}

const LONGEST_WAIT = 10_000;

/** The server's WebSocket; comes back by itself after the server or the network was away. */
export class SocketTransport implements Transport {
  private socket: WebSocket | null = null;
  private readonly takers: ((message: Incoming) => void)[] = [];
  private readonly linkTakers: ((up: boolean) => void)[] = [];
  private waiting = 500;
  private timer = 0;
  private closed = false;

  /**
   * @param address of the WebSocket, without a token.
   * @param makeSocket opens one with the credentials of the page.
   * @param plotly loads plotly from the same server.
   */
  constructor(
    private readonly address: string,
    private readonly makeSocket: (address: string) => WebSocket,
    private readonly plotly: () => Promise<Plotly>
  ) {
    this.open();
  }

  send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  onMessage(take: (message: Incoming) => void): void {
    this.takers.push(take);
  }

  onLink(take: (up: boolean) => void): void {
    this.linkTakers.push(take);
  }

  loadPlotly(): Promise<Plotly> {
    return this.plotly();
  }

  close(): void {
    this.closed = true;
    window.clearTimeout(this.timer);
    this.socket?.close();
  }

  private open(): void {
    const socket = this.makeSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      this.waiting = 500;
      this.linkTakers.forEach(take => take(true));
    };
    socket.onmessage = event => {
      const message = JSON.parse(String(event.data)) as Incoming;
      this.takers.forEach(take => take(message));
    };
    socket.onclose = () => {
      if (this.closed) {
        return;
      }
      this.linkTakers.forEach(take => take(false));
      this.timer = window.setTimeout(() => this.open(), this.waiting);
      this.waiting = Math.min(2 * this.waiting, LONGEST_WAIT);
    };
  }
}
