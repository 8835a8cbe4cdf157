import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, LabIcon, listIcon, searchIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { PanelLayout, Widget } from '@lumino/widgets';
import { h, throttled } from '../view/dom';
import { modelsIcon, workbenchIcon } from './icons';
import { CommandIDs } from './ids';
import type { Filter, JobsModel, StatusFilter } from './jobs';
import type { Settings } from './settings';
import { Strip } from './strip';
import { Tree, type TreeHost } from './tree';

const FILTERS: StatusFilter[] = ['all', 'active', 'Completed', 'Failed', 'Canceled', 'archived'];

/** The side panel: all jobs of the workspace, live. */
export class JobsPanel extends Widget {
  readonly tree: Tree;
  private readonly status: HTMLSelectElement;
  private readonly search: HTMLInputElement;
  private readonly group: HTMLButtonElement;
  private readonly message = h('div', { class: 'wbl-message', role: 'status' });
  private readonly empty = h('div', { class: 'wbl-empty' });
  private refresh: ReturnType<typeof throttled>;
  private shown = false;

  constructor(
    private readonly model: JobsModel,
    private readonly commands: CommandRegistry,
    private readonly settings: Settings,
    private readonly trans: TranslationBundle,
    private readonly loadArchived: () => Promise<void>,
    { chosen, point }: Pick<TreeHost, 'chosen' | 'point'>
  ) {
    super();
    this.id = 'workbench-jobs';
    this.addClass('wbl-panel');
    this.title.icon = workbenchIcon;
    this.title.caption = trans.__('Workbench: jobs and sweeps');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Workbench'));
    this.refresh = throttled(() => this.draw(), settings.current.refreshRate);
    this.search = h('input', { type: 'search', class: 'wbl-search', placeholder: trans.__('Search'), 'aria-label': trans.__('Search jobs'), input: () => this.filter({ search: this.search.value }) });
    this.status = h('select', { 'aria-label': trans.__('Which jobs are shown'), change: () => this.choose(this.status.value as StatusFilter) });
    this.group = this.button(listIcon, trans.__('Group by experiment'), () => this.filter({ grouped: !model.filter.grouped }));
    this.group.setAttribute('aria-pressed', 'false');
    this.tree = new Tree(
      {
        open: job => void commands.execute(CommandIDs.open, { name: job.name }),
        toggle: (row, open) => this.atOnce(model.toggle(row, open)),
        more: parent => this.atOnce(model.load(parent)),
        chosen,
        point
      },
      trans
    );
    const head = new Widget({
      node: h(
        'div',
        { class: 'wbl-head' },
        h(
          'div',
          { class: 'wbl-headline' },
          h('h2', {}, trans.__('Jobs and sweeps')),
          this.group,
          this.button(modelsIcon, trans.__('Registered models'), () => void commands.execute(CommandIDs.openModels)),
          this.button(addIcon, trans.__('New sweep from a notebook'), () => void commands.execute(CommandIDs.sweepNotebook, { choose: true }))
        ),
        h('div', { class: 'wbl-tools' }, h('span', { class: 'wbl-searchbox' }, iconOf(searchIcon), this.search), this.status)
      )
    });
    const layout = new PanelLayout();
    layout.addWidget(head);
    layout.addWidget(new Widget({ node: this.message }));
    layout.addWidget(new Widget({ node: this.empty }));
    layout.addWidget(this.tree);
    layout.addWidget(new Strip(model, trans));
    this.layout = layout;
    model.changed.connect(this.hear, this);
    settings.changed.connect(this.pace, this); // they are loaded only after this is made
    this.draw();
  }

  override dispose(): void {
    this.settings.changed.disconnect(this.pace, this);
    this.model.changed.disconnect(this.hear, this);
    this.refresh.cancel();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.draw();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    (this.tree.isHidden ? this.empty.querySelector('button') : this.tree.node)?.focus();
  }

  private pace(): void {
    this.refresh.cancel();
    this.refresh = throttled(() => this.draw(), this.settings.current.refreshRate);
    this.refresh();
  }

  private button(icon: LabIcon, title: string, run: () => void): HTMLButtonElement {
    const button = h('button', { type: 'button', class: 'wbl-iconbutton', title, 'aria-label': title, click: run });
    icon.element({ container: button, width: '16px', height: '16px' });
    return button;
  }

  /** The refresh rate is for news; the first look at all jobs, and what the user does, is drawn at once. */
  private hear(): void {
    if (this.model.loaded && !this.shown) {
      this.shown = true;
      this.draw();
    } else {
      this.refresh();
    }
  }

  private atOnce(done: Promise<void>): void {
    this.draw();
    void done.then(() => this.draw());
  }

  private filter(part: Partial<Filter>): void {
    this.model.setFilter(part);
    this.draw();
  }

  private choose(status: StatusFilter): void {
    this.filter({ status });
    if (status === 'archived' && !this.model.archivedLoaded) {
      this.atOnce(this.loadArchived());
    }
  }

  private draw(): void {
    const { model } = this;
    if (!this.isVisible && this.isAttached) {
      return; // it is drawn when it is shown again
    }
    const rows = model.rows();
    const counts = model.counts();
    const nothing = model.loaded && counts.all + counts.archived === 0;
    this.showFilters(counts);
    this.group.setAttribute('aria-pressed', String(model.filter.grouped));
    this.tree.setHidden(rows.length === 0);
    this.tree.setRows(rows);
    this.showMessage(nothing, rows.length);
    this.showEmpty(nothing);
  }

  private showFilters(counts: Record<StatusFilter, number>): void {
    const { trans } = this;
    const titles: Record<StatusFilter, string> = {
      all: trans.__('All'),
      active: trans.__('Active'),
      Completed: trans.__('Completed'),
      Failed: trans.__('Failed'),
      Canceled: trans.__('Canceled'),
      archived: trans.__('Archived')
    };
    const text = (filter: StatusFilter): string => (filter === 'archived' && !this.model.archivedLoaded ? titles[filter] : `${titles[filter]} (${counts[filter]})`);
    if (this.status.options.length === 0) {
      this.status.append(...FILTERS.map(filter => h('option', { value: filter })));
    }
    FILTERS.forEach((filter, index) => {
      const option = this.status.options[index];
      if (option && option.textContent !== text(filter)) {
        option.textContent = text(filter);
      }
    });
    this.status.value = this.model.filter.status;
  }

  private showMessage(nothing: boolean, rows: number): void {
    const { link, problem } = this.model;
    const text = this.messageOf(nothing, rows);
    if (this.message.textContent !== text) {
      this.message.textContent = text;
    }
    this.message.hidden = !text;
    this.message.classList.toggle('wbl-bad', link === 'down' || link === 'missing' || problem !== '');
  }

  private messageOf(nothing: boolean, rows: number): string {
    const { model, trans } = this;
    if (model.link === 'missing') {
      return trans.__('The server has no workbench extension. In a terminal: jupyter server extension enable workbench.server, then restart Jupyter.');
    }
    if (model.problem) {
      return model.problem;
    }
    if (model.link === 'down') {
      return trans.__('The server does not answer; trying again. Jobs do not need it: they go on.');
    }
    if (!model.loaded) {
      return trans.__('Loading …');
    }
    return rows === 0 && !nothing ? trans.__('No job matches. Clear the search, or show all.') : '';
  }

  /** What to do first, for who has never read anything of this. */
  private showEmpty(nothing: boolean): void {
    this.empty.hidden = !nothing;
    if (!nothing || this.empty.childElementCount) {
      return;
    }
    const { trans, commands } = this;
    const step = (title: string, text: string): HTMLElement => h('li', {}, h('b', {}, title), ' ', text);
    const action = (label: string, id: string, primary = false, args = {}): HTMLElement =>
      h('button', { type: 'button', class: `jp-mod-styled ${primary ? 'jp-mod-accept' : 'jp-mod-reject'}`, click: () => void commands.execute(id, args) }, label);
    this.empty.replaceChildren(
      h('p', {}, trans.__('No jobs yet. A sweep runs a notebook many times with other parameters, on this machine, and shows which did best.')),
      h(
        'ol',
        {},
        step(trans.__('Open a notebook'), trans.__('whose parameters stand in one cell, such as learning_rate = 0.01.')),
        step(trans.__('Sweep it'), trans.__('with the Sweep button in its toolbar: say what varies and which metric counts.')),
        step(trans.__('Watch it here:'), trans.__('open it, compare its trials, and register the best model with a click.'))
      ),
      action(trans.__('Try an example'), CommandIDs.example, true),
      action(trans.__('Choose a notebook …'), CommandIDs.sweepNotebook, false, { choose: true })
    );
  }
}

function iconOf(icon: LabIcon): HTMLElement {
  const span = h('span', { class: 'wbl-searchicon', 'aria-hidden': 'true' });
  icon.element({ container: span, width: '14px', height: '14px' });
  return span;
}
