import { METRIC, TRIAL } from './brushing';
import { h, popup } from './dom';
import { trans } from './language';

/** Parameters that plotly has room for, those that are shown before anybody chooses, and what one of them takes. */
const MOST = 58;
const FIRST = 12;
const WIDE = 50; // pixels
const BESIDE = 150; // pixels of the axes that are always there, and of the colours
const MANY = 12;

/** Which axes parallel coordinates have, and in which order: a list to tick and to move through. */
export class AxisChooser {
  readonly element: HTMLElement;
  private readonly list = h('ul', { class: 'wb-list' });
  private readonly search = h('input', { type: 'search', placeholder: trans.__('search'), 'aria-label': trans.__('search axes'), input: () => this.show() });
  private readonly told = h('div', { class: 'wb-dim', 'aria-live': 'polite' });
  private order: string[] = [];
  private shown = new Set<string>();
  private readonly params = new Set<string>();
  private readonly first: number;

  /**
   * @param titles what an axis is called, by its key.
   * @param onChange is told when axes are chosen or moved.
   * @param width pixels that there are for all of them; 0 when that is not known yet.
   */
  constructor(
    private readonly titles: (key: string) => string,
    private readonly onChange: () => void,
    width: number
  ) {
    this.first = width ? Math.max(3, Math.min(FIRST, Math.floor((width - BESIDE) / WIDE))) : FIRST;
    this.element = popup(trans.__('axes'), 'wb-axes', h('div', {}, this.search, this.list, this.told), () => this.show());
    this.search.hidden = true;
  }

  /** Take up the parameters that there are; what was chosen before stays. */
  offer(params: string[]): void {
    const fresh = params.filter(name => !this.params.has(name));
    if (!this.order.length) {
      this.order = [TRIAL, METRIC];
      this.shown = new Set(this.order);
    }
    fresh.forEach(name => {
      this.params.add(name);
      this.order.splice(this.order.indexOf(METRIC), 0, name);
      if (this.chosen().length < this.first) {
        this.shown.add(name);
      }
    });
    this.search.hidden = this.order.length <= MANY;
    if (fresh.length) {
      this.show();
    }
  }

  /** The parameters that are shown, in order. */
  chosen(): string[] {
    return this.order.filter(key => this.params.has(key) && this.shown.has(key));
  }

  /** All keys that are shown, in order. */
  keys(): string[] {
    return this.order.filter(key => this.shown.has(key));
  }

  /** Take over the order in which the axes were dragged; those that are not shown keep their neighbours. */
  reorder(keys: string[]): void {
    const waiting = [...keys];
    this.order = this.order.map(key => (this.shown.has(key) ? (waiting.shift() ?? key) : key));
    this.show();
  }

  private show(): void {
    const wanted = this.search.value.toLowerCase();
    const full = this.chosen().length >= MOST;
    const focused = this.list.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset['key'] : undefined;
    this.list.replaceChildren(
      ...this.order.filter(key => this.titles(key).toLowerCase().includes(wanted)).map(key => this.entry(key, full))
    );
    this.told.textContent = full ? trans.__('plotly has room for %1 parameters', MOST) : '';
    if (focused) {
      this.list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    }
  }

  private entry(key: string, full: boolean): HTMLElement {
    const title = this.titles(key);
    const box = h('input', { type: 'checkbox', 'data-key': `show ${key}`, checked: this.shown.has(key), change: () => this.toggle(key, box.checked) });
    box.disabled = this.shown.has(key) ? this.shown.size <= 2 : full && this.params.has(key);
    const place = this.order.indexOf(key);
    const mover = (by: -1 | 1, name: string, label: string, sign: string): HTMLElement => {
      const button = h('button', { type: 'button', class: 'wb-small', 'data-key': `${name} ${key}`, 'aria-label': label, click: () => this.move(key, by) }, sign);
      // Not disabled at the ends: the focus would be lost there.
      button.setAttribute('aria-disabled', String(place + by < 0 || place + by >= this.order.length));
      return button;
    };
    return h('li', {}, h('label', {}, box, title), mover(-1, 'before', trans.__('move %1 before', title), '↑'), mover(1, 'after', trans.__('move %1 after', title), '↓'));
  }

  private toggle(key: string, visible: boolean): void {
    if (visible) {
      this.shown.add(key);
    } else {
      this.shown.delete(key);
    }
    this.show();
    this.onChange();
  }

  private move(key: string, by: -1 | 1): void {
    const from = this.order.indexOf(key);
    const to = from + by;
    if (to < 0 || to >= this.order.length) {
      return;
    }
    this.order.splice(to, 0, ...this.order.splice(from, 1));
    this.show();
    this.onChange();
  }
}
