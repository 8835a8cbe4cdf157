import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { gigabytes, h, number } from '../view/dom';
import { steadily } from '../view/steady';
import type { JobsModel } from './jobs';
import type { Gpu, Queue, Used } from './protocol';

/** What of the machine is in use, and who waits for it. */
export class Strip extends Widget {
  private shown = '';
  private isOpen = false;
  private readonly refresh = steadily(this.node, () => this.draw());

  constructor(
    private readonly model: JobsModel,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('wbl-strip');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Machine and queue'));
    this.refresh();
    model.changed.connect(this.refresh);
  }

  override dispose(): void {
    this.model.changed.disconnect(this.refresh);
    super.dispose();
  }

  private draw(): void {
    const queue = this.model.queue;
    const text = JSON.stringify(queue);
    if (text === this.shown) {
      return;
    }
    this.shown = text;
    this.node.replaceChildren(...(queue ? this.content(queue) : []));
    this.setHidden(!queue);
  }

  private content(queue: Queue): HTMLElement[] {
    const trans = this.trans;
    const gauges = queue.gpus.map(gpu => this.gpu(gpu));
    gauges.push(this.used(trans.__('Slots'), queue.slots, trans.__('Trials of this workspace that run, of those that may')));
    if (queue.cores.used > 0) {
      gauges.push(this.used(trans.__('Cores'), queue.cores, trans.__('Cores that trials have leased')));
    }
    const running = queue.running.reduce((sum, entry) => sum + entry.trials, 0);
    const line = h('div', { class: 'wbl-queueline' }, trans._n('%1 trial runs', '%1 trials run', running));
    if (!queue.queued.length) {
      line.append(` · ${trans.__('nobody waits')}`);
      return [h('div', { class: 'wbl-gauges' }, ...gauges), line];
    }
    const details = h('details', { class: 'wbl-queue', toggle: event => (this.isOpen = (event.target as HTMLDetailsElement).open) });
    details.open = this.isOpen;
    details.append(
      h('summary', {}, `${line.textContent ?? ''} · ${trans._n('%1 waits', '%1 wait', queue.queued.length)}`),
      h('ol', {}, ...queue.queued.slice(0, 50).map(entry => h('li', {}, h('b', {}, entry.displayName || entry.name), entry.waitsFor ? ` ${entry.waitsFor}` : '')))
    );
    return [h('div', { class: 'wbl-gauges' }, ...gauges), details];
  }

  private used(name: string, { used, total }: Used, title: string): HTMLElement {
    return this.gauge(name, this.trans.__('%1 of %2', number(used), number(total)), used / Math.max(1, total), title);
  }

  private gpu(gpu: Gpu): HTMLElement {
    const told = this.trans.__('%1 of %2 GB', gigabytes(gpu.memoryUsed), gigabytes(gpu.memoryTotal));
    return this.gauge(gpu.label, told, gpu.memoryUsed / Math.max(1, gpu.memoryTotal), [gpu.name, ...gpu.holders].join('\n'));
  }

  private gauge(name: string, told: string, share: number, title: string): HTMLElement {
    const bar = h('span', { class: 'wbl-gaugebar', 'aria-hidden': 'true' }, h('i'));
    (bar.firstElementChild as HTMLElement).style.width = `${Math.round(100 * Math.min(1, share))}%`;
    return h('div', { class: 'wbl-gauge', title }, h('span', {}, name), bar, h('span', { class: 'wbl-told' }, told));
  }
}
