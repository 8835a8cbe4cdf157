import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Changes, type Link, type Listener } from '../src/lab/changes';
import type { Told } from '../src/lab/protocol';

/** The page's end of a WebSocket, with the server's hand on it. */
class Line {
  readyState = 0;
  sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }
}

function listening() {
  const lines: Line[] = [];
  const links: Link[] = [];
  const told: Told[] = [];
  const listener = { cursor: 0, parents: [] as string[], take: (message: Told) => void told.push(message), setLink: (link: Link) => void links.push(link) };
  const changes = new Changes(() => {
    lines.push(new Line());
    return lines[lines.length - 1] as unknown as WebSocket;
  }, listener as Listener);
  return { changes, lines, links, told, listener };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the line to the server', () => {
  it('hands on what comes, and asks for nothing at first', () => {
    const { lines, links, told } = listening();
    lines[0]?.opens();
    lines[0]?.onmessage?.({ data: '{"type":"delta","cursor":4,"jobs":[]}' });
    expect(links).toEqual(['up']);
    expect(told).toEqual([{ type: 'delta', cursor: 4, jobs: [] }]);
    expect(lines[0]?.sent).toEqual([]);
  });

  it('comes back by itself, less and less often, and resumes where it was', () => {
    const { lines, links, listener } = listening();
    lines[0]?.opens();
    listener.cursor = 12;
    listener.parents = ['sweep'];
    lines[0]?.close();
    for (const wait of [500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
      const before = lines.length;
      vi.advanceTimersByTime(wait - 1);
      expect(lines).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(lines).toHaveLength(before + 1);
      lines[before]?.close();
    }
    vi.advanceTimersByTime(10_000);
    const last = lines[lines.length - 1];
    last?.opens();
    expect(last?.sent).toEqual([{ type: 'resume', since: 12, parents: ['sweep'] }]);
    expect(links[links.length - 1]).toBe('up');
    last?.close();
    vi.advanceTimersByTime(500);
    expect(lines[lines.length - 1]).not.toBe(last);
  });

  it('says which trials are wanted only while somebody hears it', () => {
    const { changes, lines } = listening();
    changes.expand(['early']);
    lines[0]?.opens();
    changes.expand(['sweep']);
    expect(lines[0]?.sent).toEqual([{ type: 'expand', parents: ['sweep'] }]);
  });

  it('stays closed once it was closed', () => {
    const { changes, lines, links } = listening();
    lines[0]?.opens();
    changes.close();
    vi.advanceTimersByTime(60_000);
    expect(lines).toHaveLength(1);
    expect(links).toEqual(['up']);
  });
});
