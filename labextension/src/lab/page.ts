import type { TranslationBundle } from '@jupyterlab/translation';
import { MainAreaWidget } from '@jupyterlab/apputils';
import { Toolbar } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { patiently } from '../patience';
import { h } from '../view/dom';
import type { Opener } from '../view/panels';
import { jobPath, said } from './api';
import { workbenchIcon } from './icons';
import { CommandIDs } from './ids';
import type { Summary } from './protocol';
import type { Workbench } from './workbench';

/** The live view of one job in the main area. */
export class JobPage extends MainAreaWidget<JobView> {
  constructor(workbench: Workbench, commands: CommandRegistry, readonly job: string) {
    const content = new JobView(workbench, job, name => {
      void commands.execute(CommandIDs.openNotebook, { name });
      return true;
    });
    super({ content });
    this.id = `workbench-job-${job}`;
    this.addClass('wbl-page');
    this.title.label = job;
    this.title.caption = workbench.trans.__('Job %1', job);
    this.title.icon = workbenchIcon;
    this.title.closable = true;
    this.toolbar.node.setAttribute('aria-label', workbench.trans.__('What the selected trial has left'));
    const trial = new Widget({ node: content.focusedNode });
    this.toolbar.addItem('trial', trial);
    const add = (id: string, label: string, about: () => string): Widget => {
      const button = h('button', { type: 'button', class: 'wbl-toolbutton', click: () => void commands.execute(id, { name: about() }) }, label);
      const item = new Widget({ node: h('div', {}, button) });
      this.toolbar.addItem(id, item);
      return item;
    };
    const { trans } = workbench;
    const notebook = add(CommandIDs.openNotebook, trans.__('Notebook'), () => content.focused);
    const log = add(CommandIDs.openLog, trans.__('Log'), () => content.focused);
    add(CommandIDs.openFolder, trans.__('Folder'), () => content.focused);
    this.toolbar.addItem('spacer', Toolbar.createSpacerItem());
    add(CommandIDs.register, trans.__('Register'), () => job);
    add(CommandIDs.insertCode, trans.__('Insert code'), () => job);
    content.onFocus(() => {
      notebook.setHidden(!content.hasNotebook);
      log.setHidden(!content.hasLog);
    });
    void workbench.job(job).then(summary => this.setTitle(summary, workbench.trans), () => undefined);
  }

  /** Show one of the tabs of the view, as soon as it is there. */
  showTab(name: string): void {
    this.content.showTab(name);
  }

  private setTitle(job: Summary, trans: TranslationBundle): void {
    this.title.label = job.type === 'trial' ? trans.__('trial %1 of %2', job.number ?? '', job.parent ?? '') : job.displayName || job.name;
  }
}

/** The view itself, which is loaded when the first page is shown. */
class JobView extends Widget {
  focused: string;
  hasNotebook = false;
  hasLog = false;
  readonly focusedNode = h('span', { class: 'wbl-focused', role: 'status' });
  private unmount: (() => void) | null = null;
  private readonly focusTakers: (() => void)[] = [];
  private begun = false;
  private tab = '';

  constructor(
    private readonly workbench: Workbench,
    private readonly job: string,
    private readonly open: Opener
  ) {
    super();
    this.focused = job;
    this.addClass('wbl-view');
    this.node.tabIndex = -1;
  }

  onFocus(take: () => void): void {
    this.focusTakers.push(take);
    take();
  }

  showTab(name: string): void {
    this.tab = name;
    const tab = this.node.querySelector<HTMLElement>(`[data-tab=${name}]`);
    if (tab) {
      this.tab = '';
      tab.click();
      tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  }

  override dispose(): void {
    this.unmount?.();
    this.unmount = null;
    super.dispose();
  }

  protected override onAfterShow(): void {
    void this.begin();
  }

  protected override onAfterAttach(): void {
    if (this.isVisible) {
      void this.begin();
    }
  }

  private async begin(): Promise<void> {
    if (this.begun) {
      return;
    }
    this.begun = true;
    const { api, trans } = this.workbench;
    try {
      await api.get(jobPath(this.job)); // a job that is gone is said in words, not by a line that never opens
      const [{ mount, SocketTransport, plotlyOnce }, workspace] = await Promise.all([patiently(() => import('../view')), this.workbench.root()]);
      if (this.isDisposed) {
        return;
      }
      const address = api.address('view', { name: this.job, workspace }, api.settings.wsUrl);
      const plotly = (): Promise<string> => patiently(() => api.file('plotly.js'));
      const transport = new SocketTransport(address, at => new api.settings.WebSocket(at), () => plotlyOnce(plotly));
      this.node.replaceChildren();
      this.unmount = mount(this.node, transport, undefined, trial => void this.focus(trial), this.open);
    } catch (error) {
      this.begun = false;
      this.node.replaceChildren(
        h('div', { class: 'wbl-message wbl-bad', role: 'alert' }, said(error), ' ', h('button', { type: 'button', class: 'jp-mod-styled jp-mod-reject', click: () => void this.begin() }, trans.__('Try again')))
      );
    }
  }

  private async focus(trial: string | null): Promise<void> {
    if (this.tab) {
      this.showTab(this.tab); // the view has just been built
    }
    const name = trial ?? this.job;
    this.focused = name;
    this.focusedNode.textContent = name === this.job ? '' : name.replace(/^.*_(\d+)$/, (_, number: string) => this.workbench.trans.__('Trial %1', number));
    try {
      const job = await this.workbench.api.get<Summary>(jobPath(name));
      if (this.focused !== name) {
        return;
      }
      this.hasNotebook = job.notebook !== null;
      this.hasLog = job.log !== null;
    } catch {
      this.hasNotebook = this.hasLog = false; // the view says itself that the job is gone
    }
    this.focusTakers.forEach(take => take());
  }
}
