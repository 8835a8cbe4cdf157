const OVER = ['pointerup', 'pointercancel', 'contextmenu', 'keyup'];

/**
 * Draw an element anew, but not while something in it is pressed: of a press on one element and a release on another that
 * took its place, a browser makes no click.
 *
 * @param element holds what may be pressed.
 * @param draw replaces what is in it.
 * @returns what to call instead of `draw`.
 */
export function steadily(element: HTMLElement, draw: () => void): () => void {
  let pressed = false;
  let owed = false;
  const press = (): void => {
    if (pressed) {
      return;
    }
    pressed = true;
    const over = new AbortController();
    const release = (): void => {
      over.abort();
      // The click comes right after the release.
      window.setTimeout(() => {
        pressed = false;
        if (owed) {
          owed = false;
          draw();
        }
      });
    };
    for (const type of OVER) {
      window.addEventListener(type, release, { capture: true, signal: over.signal });
    }
    window.addEventListener('blur', release, { signal: over.signal }); // the window's own: those of its elements do not bubble
  };
  element.addEventListener('pointerdown', press);
  element.addEventListener('keydown', event => {
    if (event.key === ' ') {
      press();
    }
  });
  return () => {
    if (pressed) {
      owed = true;
    } else {
      draw();
    }
  };
}
