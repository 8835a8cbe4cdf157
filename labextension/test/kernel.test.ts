import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pulse, wanted, type Shelf } from '../src/kernel';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('what a page needs once', () => {
  const never = (): Promise<string> => new Promise(() => undefined);

  it('is brought by another widget where the kernel of the first has gone before it answered', async () => {
    const shelf: Shelf = {};
    const first = wanted(shelf, 'view', never);
    vi.advanceTimersByTime(1000);
    const asked = vi.fn(() => Promise.resolve('the view'));
    const second = wanted(shelf, 'view', asked);
    expect(asked).not.toHaveBeenCalled();
    vi.advanceTimersByTime(4000);
    expect(asked).toHaveBeenCalledOnce();
    expect(await Promise.all([first, second])).toEqual(['the view', 'the view']);
    const third = vi.fn(never);
    expect(await wanted(shelf, 'view', third)).toBe('the view');
    expect(third).not.toHaveBeenCalled();
  });

  it('is asked for ever less often while a kernel is busy, and once by each widget', () => {
    const shelf: Shelf = {};
    const asks = Array.from({ length: 10 }, () => vi.fn(never));
    asks.forEach(ask => void wanted(shelf, 'plotly', ask));
    vi.advanceTimersByTime(60_000);
    expect(asks.filter(ask => ask.mock.calls.length).length).toBe(4); // at once, and after 5, 15 and 35 seconds
    expect(Math.max(...asks.map(ask => ask.mock.calls.length))).toBe(1);
  });

  it('is asked for at once where the one before could not be sent', async () => {
    const shelf: Shelf = {};
    void wanted(shelf, 'view', () => Promise.reject(new Error('the kernel is gone')));
    await Promise.resolve();
    await Promise.resolve();
    expect(await wanted(shelf, 'view', () => Promise.resolve('the view'))).toBe('the view');
  });
});

describe('the line to a kernel', () => {
  it('is lost after a silence, and back with the next word', () => {
    const links: boolean[] = [];
    const say = vi.fn();
    const pulse = new Pulse(say, up => links.push(up));
    vi.advanceTimersByTime(20_000);
    pulse.heard();
    vi.advanceTimersByTime(25_000);
    expect(links).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(links).toEqual([false]);
    pulse.heard();
    expect(links).toEqual([false, true]);
    pulse.lose();
    pulse.lose();
    expect(links).toEqual([false, true, false]);
    expect(say).toHaveBeenCalledTimes(2);
    pulse.stop();
    vi.advanceTimersByTime(100_000);
    expect(say).toHaveBeenCalledTimes(2);
  });
});
