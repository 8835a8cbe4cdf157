import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { steadily } from '../src/view/steady';

describe('what is drawn anew', () => {
  const page = new EventTarget();
  let element: EventTarget;
  let drawn: number;
  let draw: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('window', Object.assign(page, { setTimeout }));
    element = new EventTarget();
    drawn = 0;
    draw = steadily(element as HTMLElement, () => (drawn += 1));
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('waits until the pointer is released, and the click is over', () => {
    draw();
    expect(drawn).toBe(1);
    element.dispatchEvent(new Event('pointerdown'));
    draw();
    draw();
    expect(drawn).toBe(1);
    page.dispatchEvent(new Event('pointerup'));
    draw();
    expect(drawn).toBe(1);
    vi.runAllTimers();
    expect(drawn).toBe(2);
    draw();
    expect(drawn).toBe(3);
  });

  it('is not drawn when nothing asked for it', () => {
    element.dispatchEvent(new Event('pointerdown'));
    page.dispatchEvent(new Event('pointercancel'));
    vi.runAllTimers();
    expect(drawn).toBe(0);
  });

  it('waits for the space bar as for the pointer, and for no other key', () => {
    element.dispatchEvent(Object.assign(new Event('keydown'), { key: 'a' }));
    draw();
    expect(drawn).toBe(1);
    element.dispatchEvent(Object.assign(new Event('keydown'), { key: ' ' }));
    draw();
    expect(drawn).toBe(1);
    page.dispatchEvent(new Event('keyup'));
    vi.runAllTimers();
    expect(drawn).toBe(2);
  });
});
