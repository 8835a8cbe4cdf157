/** How the widget gets on with a kernel that may be busy, or gone without a word. */

/** Milliseconds: between two signs of life of a view, and without one of the kernel until that counts as gone. */
const HERE_EVERY = 20_000;
const SILENCE = 25_000;
const LOOK_EVERY = 5_000;
const FIRST_WAIT = 5_000;

/** Where something that is asked for once for each page stays. */
export interface Shelf {
  [name: string]: Wanted | undefined;
}

interface Wanted {
  text: Promise<string>;
  bring: (text: string) => void;
  there: boolean;
  /** When it may be asked for again, by another widget. */
  next: number;
  wait: number;
}

/**
 * Get what one of a page's widgets asks its kernel for. Each widget asks once at most: the kernel of the one that asked
 * first may have ended before it answered, and that of another may be busy for hours.
 *
 * @param shelf of the page.
 * @param name of what is wanted.
 * @param ask asks the kernel of this widget.
 */
export function wanted(shelf: Shelf, name: string, ask: () => Promise<string>): Promise<string> {
  let bring: (text: string) => void = () => undefined;
  const text = new Promise<string>(resolve => (bring = resolve));
  const entry = (shelf[name] ??= { text, bring, there: false, next: 0, wait: FIRST_WAIT });
  const askInTurn = (): void => {
    const left = entry.next - Date.now();
    if (entry.there) {
      return;
    }
    if (left > 0) {
      setTimeout(askInTurn, left);
      return;
    }
    entry.next = Date.now() + entry.wait;
    entry.wait *= 2;
    ask().then(
      answer => {
        entry.there = true;
        entry.bring(answer);
      },
      () => (entry.next = 0) // it could not even be sent
    );
  };
  askInTurn();
  return entry.text;
}

/** The line between a view and its kernel: each says now and then that it is there, and silence means that it is not. */
export class Pulse {
  private heardAt = Date.now();
  private up = true;
  private readonly timers: ReturnType<typeof setInterval>[];

  /**
   * @param say tells the kernel that the view is there.
   * @param onLink is told whether the kernel is.
   */
  constructor(
    say: () => void,
    private readonly onLink: (up: boolean) => void
  ) {
    this.timers = [setInterval(say, HERE_EVERY), setInterval(() => Date.now() - this.heardAt > SILENCE && this.lose(), LOOK_EVERY)];
  }

  /** Something has come from the kernel. */
  heard(): void {
    this.heardAt = Date.now();
    if (!this.up) {
      this.up = true;
      this.onLink(true);
    }
  }

  /** The front end says that the kernel has ended or is no longer connected. */
  lose(): void {
    if (this.up) {
      this.up = false;
      this.onLink(false);
    }
  }

  stop(): void {
    this.timers.forEach(timer => clearInterval(timer));
  }
}
