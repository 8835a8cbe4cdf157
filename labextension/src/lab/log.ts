import { MainAreaWidget } from '@jupyterlab/apputils';
import { textEditorIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { h } from '../view/dom';
import { jobPath, said } from './api';
import { isFinished, type Summary } from './protocol';
import type { Workbench } from './workbench';

const EVERY = 1000;
const MOST_READ = 1_000_000; // bytes at once; of a longer log the end is shown
const MOST_SHOWN = 2_000_000;
const NEWLINE = 10;

/** What a job prints, beside its page; it grows as the log does. */
export class LogPage extends MainAreaWidget<LogText> {
  constructor(workbench: Workbench, readonly job: string) {
    super({ content: new LogText(workbench, job) });
    this.id = `workbench-log-${job}`;
    this.title.label = workbench.trans.__('%1 · log', job);
    this.title.icon = textEditorIcon;
    this.title.closable = true;
  }
}

class LogText extends Widget {
  private readonly text = h('pre', { class: 'wbl-log', tabindex: 0 });
  private decoder = new TextDecoder();
  /** The byte up to which it is shown; null before anything is. */
  private position: number | null = null;
  private attempt = 0;
  private timer = 0;
  private busy = false;

  constructor(
    private readonly workbench: Workbench,
    private readonly job: string
  ) {
    super();
    this.addClass('wbl-logpage');
    this.text.setAttribute('aria-label', workbench.trans.__('Log of %1', job));
    this.node.append(this.text);
  }

  override dispose(): void {
    window.clearTimeout(this.timer);
    super.dispose();
  }

  protected override onAfterShow(): void {
    void this.follow();
  }

  protected override onAfterAttach(): void {
    if (this.isVisible) {
      void this.follow();
    }
  }

  private async follow(): Promise<void> {
    window.clearTimeout(this.timer);
    if (this.busy || this.isDisposed || !this.isVisible) {
      return;
    }
    this.busy = true;
    let more = true;
    let behind = false;
    try {
      const job = await this.workbench.api.get<Summary>(jobPath(this.job)); // before the log: what it printed last is then in it
      if (job.attempt !== this.attempt) {
        this.attempt = job.attempt; // tried again: its log is another one
        this.clear();
      }
      behind = await this.read(isFinished(job));
      more = behind || !isFinished(job);
    } catch (error) {
      this.text.dataset['problem'] = said(error);
    }
    this.busy = false;
    if (more && !this.isDisposed) {
      this.timer = window.setTimeout(() => void this.follow(), behind ? 0 : EVERY);
    }
  }

  /** Show what is new; whether there is more of it already. */
  private async read(over: boolean): Promise<boolean> {
    const { bytes, begin, size } = await this.workbench.api.part(jobPath(this.job, 'log'), this.position, MOST_READ);
    if (this.position !== null && (size < this.position || size - this.position > MOST_SHOWN)) {
      this.clear(); // it was cut, or is too far ahead to be followed
      return true;
    }
    const cut = this.position === null && begin > 0 ? new Uint8Array(bytes).indexOf(NEWLINE) + 1 : 0;
    if (this.position === null && begin > 0) {
      this.text.textContent = `${this.workbench.trans.__('… the beginning is in the file')}\n`;
    }
    this.position = begin + bytes.byteLength;
    this.append(this.decoder.decode(bytes.slice(cut), { stream: true }), over);
    return this.position < size;
  }

  private clear(): void {
    this.position = null;
    this.decoder = new TextDecoder();
    this.text.textContent = '';
  }

  private append(more: string, over: boolean): void {
    delete this.text.dataset['problem'];
    if (!more) {
      if (this.position === 0) {
        this.text.dataset['problem'] = over ? this.workbench.trans.__('It has printed nothing.') : this.workbench.trans.__('Nothing is printed yet.');
      }
      return;
    }
    const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 30;
    if (this.text.textContent.length + more.length > MOST_SHOWN) {
      this.text.textContent = `${this.workbench.trans.__('… the beginning is in the file')}\n${(this.text.textContent + more).slice(-MOST_SHOWN / 2)}`;
    } else {
      this.text.append(more);
    }
    if (atEnd) {
      this.text.scrollTop = this.text.scrollHeight;
    }
  }
}
