/** Small helpers to make elements. */
import { trans } from './language';

type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string | null)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (typeof value === 'boolean') {
      element.toggleAttribute(name, value);
    } else {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return '–';
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e9) {
    return String(value);
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

/** A value of a parameter, as Python writes it. */
export function valueText(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return number(value);
    case 'boolean':
      return value ? 'True' : 'False';
    default:
      return value === null || value === undefined ? '–' : String(value);
  }
}

export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) {
    return '–';
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return trans.__('%1 s', seconds < 9.95 ? seconds.toFixed(1) : whole);
  }
  const minutes = Math.floor(whole / 60);
  const two = (value: number): string => String(value).padStart(2, '0');
  return minutes < 60
    ? trans.__('%1 min', `${minutes}:${two(whole % 60)}`)
    : trans.__('%1 h', `${Math.floor(minutes / 60)}:${two(minutes % 60)}`);
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let index = 0;
  while (count >= 1000 && index < units.length - 1) {
    count /= 1000;
    index += 1;
  }
  return `${count < 10 && index ? count.toFixed(1) : Math.round(count)} ${units[index] ?? ''}`;
}

/** As GPUs are sold: a card of 24 GB has 24 times 1024 to the third. */
export function gigabytes(count: number): string {
  const size = count / 2 ** 30;
  return size < 10 ? String(Number(size.toFixed(1))) : String(Math.round(size));
}

/** A button that opens something over what is below; Escape and a click elsewhere close it again. */
export function popup(title: string, name: string, content: HTMLElement, opened: () => void): HTMLElement {
  const summary = h('summary', {}, title);
  const element = h('details', { class: `wb-popup ${name}` }, summary, content);
  const outside = (event: Event): void => {
    if (!element.isConnected || !element.contains(event.target as Node)) {
      element.open = false;
    }
  };
  element.addEventListener('toggle', () => {
    if (element.open) {
      opened();
      document.addEventListener('pointerdown', outside, true);
    } else {
      document.removeEventListener('pointerdown', outside, true);
    }
  });
  element.addEventListener('keydown', event => {
    if (event.key === 'Escape' && element.open) {
      event.stopPropagation();
      element.open = false;
      summary.focus();
    }
  });
  return element;
}

const ICONS: Record<string, string> = {
  Completed: '✓',
  Failed: '✗',
  Canceled: '⊘',
  CancelRequested: '⊘',
  Running: '▶',
  Queued: '…',
  Finalizing: '▷',
  Preparing: '⚙',
  Starting: '⚙',
  NotStarted: '○',
  NotResponding: '?'
};

/** A status in the user's language. */
function statusWord(value: string): string {
  switch (value) {
    case 'Completed':
      return trans.__('Completed');
    case 'Failed':
      return trans.__('Failed');
    case 'Canceled':
      return trans.__('Canceled');
    case 'CancelRequested':
      return trans.__('CancelRequested');
    case 'Running':
      return trans.__('Running');
    case 'Queued':
      return trans.__('Queued');
    case 'Finalizing':
      return trans.__('Finalizing');
    case 'Preparing':
      return trans.__('Preparing');
    case 'Starting':
      return trans.__('Starting');
    case 'NotStarted':
      return trans.__('NotStarted');
    case 'NotResponding':
      return trans.__('NotResponding');
    default:
      return value;
  }
}

/** A status as an icon and a word: never by colour alone. */
export function status(value: string): HTMLElement {
  return h(
    'span',
    { class: `wb-status wb-${value}` },
    h('span', { 'aria-hidden': 'true', class: 'wb-icon' }, ICONS[value] ?? '•'),
    ` ${statusWord(value)}`
  );
}

/** Keep a function from running more often than every so many milliseconds; the last call always runs. */
export function throttled(run: () => void, every: number): { (): void; cancel(): void } {
  let timer = 0;
  let last = -Infinity; // the first call has nothing to wait for
  const call = (): void => {
    if (timer) {
      return;
    }
    timer = window.setTimeout(
      () => {
        timer = 0;
        last = performance.now();
        run();
      },
      Math.max(0, last + every - performance.now())
    );
  };
  call.cancel = () => {
    window.clearTimeout(timer);
    timer = 0;
  };
  return call;
}
