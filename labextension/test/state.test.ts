import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Header, Incoming } from '../src/view/protocol';
import { State } from '../src/view/state';
import type { Transport } from '../src/view/transport';

let tell: (message: Incoming) => void;
let state: State;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(5_000_000);
  state = new State({ onMessage: (take: typeof tell) => void (tell = take), onLink: () => undefined } as unknown as Transport);
});
afterEach(() => {
  vi.useRealTimers();
});

const header = (now: number): Header => ({ now }) as unknown as Header;

test('how long something has run is told by the clock of who started it', () => {
  tell({ type: 'state', header: header(1000), trials: [] }); // the browser's clock is more than an hour ahead
  const running = { started: 940, ended: null };
  expect(state.elapsed(running)).toBe(60);
  vi.setSystemTime(5_010_000);
  expect(state.elapsed(running)).toBe(70);
  tell({ type: 'delta', header: header(1015), trials: [], points: true });
  expect(state.elapsed(running)).toBe(75);
  expect(state.elapsed({ started: 940, ended: 950 })).toBe(10);
  expect(state.elapsed({ started: null, ended: null })).toBeNull();
});

test('a brush that lets through the same trials as before is no news', () => {
  let told = 0;
  state.onSelection(() => (told += 1));
  state.brush(new Set(['a', 'b']));
  state.brush(new Set(['b', 'a']));
  expect(told).toBe(1);
  state.brush(new Set(['b', 'c']));
  state.brush(null);
  state.brush(null);
  expect(told).toBe(3);
});
