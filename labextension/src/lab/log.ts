import { MainAreaWidget } from '@jupyterlab/apputils';
import { textEditorIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { h } from '../view/dom';
import { jobPath, said } from './api';
import { isFinished } from './protocol';
import type { Workbench } from './workbench';

const EVERY = 1000;
const MOST_SHOWN = 2_000_000;

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
  private readonly decoder = new TextDecoder();
  private position = 0;
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
    let over = false;
    try {
      over = isFinished(await this.workbench.api.get(jobPath(this.job))); // before the log: what it printed last is then in it
      const part = await this.workbench.api.bytesFrom(jobPath(this.job, 'log'), this.position);
      this.position += part.byteLength;
      this.append(this.decoder.decode(part, { stream: true }), over);
      over = over && part.byteLength === 0;
    } catch (error) {
      this.text.dataset['problem'] = said(error);
    }
    this.busy = false;
    if (!over) {
      this.timer = window.setTimeout(() => void this.follow(), EVERY);
    }
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
