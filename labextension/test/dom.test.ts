import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { duration, gigabytes, number, throttled, valueText } from '../src/view/dom';

describe('what is written', () => {
  it('of a number: whole ones in full, others with five digits', () => {
    expect([12345678, 0.1 + 0.2, 3e-7, 1234567.8, null].map(number)).toEqual(['12345678', '0.3', '3.00e-7', '1.23e+6', '–']);
  });

  it('of a parameter: as Python writes it', () => {
    expect([true, false, 'adam', 0.5, null].map(valueText)).toEqual(['True', 'False', 'adam', '0.5', '–']);
  });

  it('of a time: never sixty seconds', () => {
    expect([4, 59.4, 59.6, 119.7, 3599.8, 9960].map(duration)).toEqual(['4.0 s', '59 s', '1:00 min', '2:00 min', '1:00 h', '2:46 h']);
  });

  it('of memory: as GPUs are sold', () => {
    expect([0.4 * 2 ** 30, 80 * 2 ** 30].map(gigabytes)).toEqual(['0.4', '80']);
  });
});

describe('what is drawn no more often than every so many milliseconds', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    vi.stubGlobal('window', globalThis);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('is drawn at once, then only when the time is over, and then as it is by then', () => {
    let value = 0;
    const drawn: number[] = [];
    const draw = throttled(() => drawn.push(value), 60_000);
    const change = (): void => {
      value += 1;
      draw();
    };
    change();
    vi.advanceTimersByTime(1);
    expect(drawn).toEqual([1]);
    change();
    change();
    vi.advanceTimersByTime(59_000);
    expect(drawn).toEqual([1]);
    vi.advanceTimersByTime(1_000);
    expect(drawn).toEqual([1, 3]);
    change();
    draw.cancel();
    vi.advanceTimersByTime(120_000);
    expect(drawn).toEqual([1, 3]);
  });
});
