import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { h, status as statusOf } from '../view/dom';
import { steadily } from '../view/steady';
import type { Row } from './jobs';
import type { Summary } from './protocol';
import { leftOf, shortParams, wordsOf } from './words';

/** What can be done with rows. */
export interface TreeHost {
  open(job: Summary): void;
  toggle(row: Row, open?: boolean): void;
  more(parent: string): void;
  /** Another job is chosen, or none. */
  chosen(): void;
  /** A context menu is about to open, on a job's row or on another. */
  point(job: Summary | null): void;
}

const HEIGHT = 44;
const SPARE = 6;
let lastTree = 0;

/** A tree of jobs that draws only the rows that are in sight. The keyboard works as in the pattern of ARIA's tree. */
export class Tree extends Widget {
  private readonly inner = h('div', { role: 'none', class: 'wbl-rows' });
  private readonly drawn = new Map<string, { element: HTMLElement; signature: string }>();
  private readonly prefix = `wbl-tree-${++lastTree}`;
  private rows: Row[] = [];
  private activeKey = '';
  private isChosen = false;
  private readonly draw = steadily(this.inner, () => this.drawNow());
  private readonly sizes = new ResizeObserver(() => this.draw());

  constructor(
    private readonly host: TreeHost,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('wbl-tree');
    this.node.setAttribute('role', 'tree');
    this.node.setAttribute('aria-label', trans.__('Jobs and sweeps'));
    this.node.tabIndex = 0;
    this.node.append(this.inner);
    this.node.addEventListener('scroll', () => this.draw(), { passive: true });
    this.node.addEventListener('keydown', event => this.key(event));
    this.node.addEventListener('pointerdown', event => this.point(event));
    this.node.addEventListener('click', event => this.click(event));
    this.node.addEventListener('contextmenu', event => {
      const row = this.rowAt(event);
      host.point(row?.kind === 'job' ? row.job : null);
    });
  }

  /** The job of the row that the keyboard or the pointer chose last, as long as it is shown. */
  get active(): Summary | null {
    const row = this.isChosen ? this.rows[this.activeIndex] : undefined;
    return row?.kind === 'job' ? row.job : null;
  }

  setRows(rows: Row[]): void {
    const before = this.activeIndex;
    this.rows = rows;
    this.inner.style.height = `${rows.length * HEIGHT}px`;
    if (!rows.some(row => row.key === this.activeKey)) {
      this.activeKey = rows[Math.max(0, Math.min(rows.length - 1, before))]?.key ?? '';
      this.choose(false); // where the keyboard goes on from; nobody has chosen it
    }
    if (rows.length) {
      this.draw();
    } else {
      this.drawn.clear(); // an empty tree is hidden, and what is hidden is not drawn
      this.inner.replaceChildren();
    }
  }

  override dispose(): void {
    this.sizes.disconnect();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.sizes.observe(this.node);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.draw();
  }

  private get activeIndex(): number {
    return this.rows.findIndex(row => row.key === this.activeKey);
  }

  private drawNow(): void {
    if (!this.isVisible) {
      return;
    }
    const first = Math.max(0, Math.floor(this.node.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((this.node.scrollTop + this.node.clientHeight) / HEIGHT) + SPARE);
    const wanted = new Set<string>();
    let before: Element | null = null; // who reads the page aloud goes by the order in it
    for (let index = first; index < last; index += 1) {
      const row = this.rows[index] as Row;
      wanted.add(row.key);
      const element = this.place(row, index);
      const next: Element | null = before === null ? this.inner.firstElementChild : before.nextElementSibling;
      if (next !== element) {
        this.inner.insertBefore(element, next);
      }
      before = element;
    }
    for (const [key, { element }] of this.drawn) {
      if (!wanted.has(key)) {
        element.remove();
        this.drawn.delete(key);
      }
    }
    const active = this.drawn.get(this.activeKey);
    if (active) {
      this.node.setAttribute('aria-activedescendant', active.element.id);
    } else {
      this.node.removeAttribute('aria-activedescendant');
    }
  }

  private place(row: Row, index: number): HTMLElement {
    const signature = JSON.stringify(row) + String(row.key === this.activeKey);
    const before = this.drawn.get(row.key);
    let element = before?.element;
    if (!element || before?.signature !== signature) {
      const fresh = this.element(row);
      element?.replaceWith(fresh);
      element = fresh;
      this.drawn.set(row.key, { element, signature });
    }
    element.style.transform = `translateY(${index * HEIGHT}px)`;
    return element;
  }

  private element(row: Row): HTMLElement {
    const active = row.key === this.activeKey;
    const attributes: Record<string, string | number | boolean> = {
      role: 'treeitem',
      class: `wbl-row wbl-${row.kind}${active ? ' wbl-active' : ''}`,
      id: `${this.prefix}-${encodeURIComponent(row.key)}`,
      'aria-level': row.level,
      'aria-posinset': row.position,
      'aria-setsize': row.size,
      'aria-selected': String(active),
      'data-key': row.key
    };
    if (row.kind !== 'more' && row.expanded !== null) {
      attributes['aria-expanded'] = String(row.expanded);
    }
    const content = row.kind === 'job' ? this.job(row.job, attributes) : row.kind === 'group' ? this.group(row.title, row.jobs) : [h('span', { class: 'wbl-moretext' }, leftOf(row.left, this.trans))];
    const element = h('div', attributes, this.twisty(row), ...content);
    element.style.setProperty('--wbl-level', String(row.level));
    return element;
  }

  private twisty(row: Row): HTMLElement {
    const twisty = h('span', { class: 'wbl-twisty', 'aria-hidden': 'true' });
    if (row.kind !== 'more' && row.expanded !== null) {
      (row.expanded ? caretDownIcon : caretRightIcon).element({ container: twisty, width: '16px', height: '16px' });
    }
    return twisty;
  }

  private group(title: string, jobs: number): HTMLElement[] {
    return [h('span', { class: 'wbl-title' }, title || this.trans.__('no experiment')), h('span', { class: 'wbl-count' }, String(jobs))];
  }

  private job(job: Summary, attributes: Record<string, string | number | boolean>): HTMLElement[] {
    const words = wordsOf(job, this.trans);
    attributes['data-status'] = job.status;
    attributes['data-type'] = job.type;
    attributes['data-name'] = job.name;
    attributes['aria-label'] = [words.title, words.status, words.detail, words.best && `${words.metric || (job.metric?.name ?? '')} ${words.best}`].filter(Boolean).join(', ');
    attributes['title'] = [job.name, `${words.status} · ${words.detail}`, job.experiment, shortParams(job), job.reason ?? '', job.error ?? ''].filter(Boolean).join('\n');
    const icon = statusOf(job.held && words.status !== job.status ? 'Paused' : job.status).firstElementChild as HTMLElement;
    icon.className = `wbl-icon wbl-is-${job.status}`;
    const lines = h(
      'span',
      { class: 'wbl-lines' },
      h('span', { class: 'wbl-line' }, h('span', { class: 'wbl-title' }, words.title), attributes['aria-level'] === 1 ? h('span', { class: 'wbl-experiment' }, job.experiment) : null),
      h('span', { class: 'wbl-line wbl-second' }, h('span', { class: 'wbl-word' }, words.status), h('span', { class: 'wbl-detail' }, words.detail), h('span', { class: 'wbl-metric' }, words.metric), h('span', { class: 'wbl-best' }, words.best))
    );
    if (words.done !== null) {
      const bar = h('span', { class: 'wbl-bar' }, h('i'));
      (bar.firstElementChild as HTMLElement).style.width = `${100 * words.done}%`;
      lines.append(bar);
    }
    return [icon, lines];
  }

  private rowAt(event: globalThis.Event): Row | undefined {
    const element = event.target instanceof Element ? event.target.closest<HTMLElement>('.wbl-row') : null;
    return element ? this.rows.find(row => row.key === element.dataset['key']) : undefined;
  }

  private point(event: PointerEvent): void {
    const row = this.rowAt(event);
    if (row) {
      this.activeKey = row.key;
      this.choose(true);
      this.draw();
    }
  }

  private click(event: MouseEvent): void {
    const row = this.rowAt(event);
    if (!row) {
      return;
    }
    if (row.kind === 'more') {
      this.host.more(row.parent);
    } else if (row.kind === 'group' || (event.target as Element).closest('.wbl-twisty')?.firstChild) {
      this.host.toggle(row);
    } else {
      this.host.open(row.job);
    }
  }

  private go(index: number): void {
    const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, index))];
    if (!row) {
      return;
    }
    this.activeKey = row.key;
    const top = this.activeIndex * HEIGHT;
    const { scrollTop, clientHeight } = this.node;
    if (top < scrollTop) {
      this.node.scrollTop = top;
    } else if (top + HEIGHT > scrollTop + clientHeight) {
      this.node.scrollTop = top + HEIGHT - clientHeight;
    }
    this.draw();
  }

  private key(event: KeyboardEvent): void {
    const index = this.activeIndex;
    const row = this.rows[index];
    if (!row || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const page = Math.max(1, Math.floor(this.node.clientHeight / HEIGHT) - 1);
    const expanded = row.kind === 'more' ? null : row.expanded;
    const moves: Record<string, () => void> = {
      ArrowDown: () => this.go(index + 1),
      ArrowUp: () => this.go(index - 1),
      PageDown: () => this.go(index + page),
      PageUp: () => this.go(index - page),
      Home: () => this.go(0),
      End: () => this.go(this.rows.length - 1),
      ArrowRight: () => (expanded === false ? this.host.toggle(row, true) : expanded ? this.go(index + 1) : undefined),
      ArrowLeft: () => (expanded ? this.host.toggle(row, false) : this.go(this.parentOf(index))),
      Enter: () => (row.kind === 'job' ? this.host.open(row.job) : row.kind === 'more' ? this.host.more(row.parent) : this.host.toggle(row)),
      ' ': () => (expanded === null ? undefined : this.host.toggle(row)),
      ContextMenu: () => this.menu(),
      F10: () => event.shiftKey && this.menu()
    };
    const move = moves[event.key];
    if (move && (!event.shiftKey || event.key === 'F10')) {
      event.preventDefault();
      event.stopPropagation();
      move();
      this.choose(true);
    }
  }

  private choose(is: boolean): void {
    this.isChosen = is;
    this.host.chosen();
  }

  private parentOf(index: number): number {
    const level = this.rows[index]?.level ?? 1;
    for (let at = index - 1; at >= 0; at -= 1) {
      if ((this.rows[at] as Row).level < level) {
        return at;
      }
    }
    return index;
  }

  /** The application's context menu opens where the pointer is; the keyboard's belongs to the row. */
  private menu(): void {
    const element = this.drawn.get(this.activeKey)?.element;
    if (element) {
      const { left, bottom } = element.getBoundingClientRect();
      element.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX: left + 40, clientY: bottom - 8 }));
    }
  }
}
