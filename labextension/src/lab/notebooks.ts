import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { isOnlyAssignments } from './python';

const TAG = 'parameters';

/** The user's notebooks, open or on disk. */
export class Notebooks {
  /** Those that were looked at, the last one at the end. */
  private readonly seen = new Set<NotebookPanel>();

  /**
   * @param isOutput says whether a trial has left a notebook.
   * @param dialogs ask for a kernel where a notebook has none.
   */
  constructor(
    private readonly documents: IDocumentManager,
    private readonly tracker: INotebookTracker,
    private readonly commands: CommandRegistry,
    private readonly trans: TranslationBundle,
    private readonly isOutput: (panel: NotebookPanel) => boolean,
    private readonly dialogs: ISessionContextDialogs | null = null
  ) {
    const see = (panel: NotebookPanel | null): void => {
      if (panel && !this.seen.delete(panel)) {
        panel.disposed.connect(() => this.seen.delete(panel));
      }
      if (panel) {
        this.seen.add(panel);
      }
    };
    tracker.currentChanged.connect((_, panel) => see(panel));
    see(tracker.currentWidget);
  }

  /** The notebook that the user worked in last; what a trial has left is its record, and no place to work in. */
  private async current(): Promise<NotebookPanel | null> {
    for (const panel of [...this.seen].reverse()) {
      await panel.context.ready; // what it is the output of may be written in it
      if (!panel.isDisposed && !this.isOutput(panel)) {
        return panel;
      }
    }
    return null;
  }

  /** Where the server has a file: without the name of the drive that JupyterLab has it from, as `RTC:` where people edit together. */
  onServer(path: string): string {
    return this.contents().localPath(path);
  }

  /** Whether a notebook holds the state of widgets, such as progress bars: ipywidgets shows none without a kernel. */
  async hasWidgets(path: string): Promise<boolean> {
    const { content } = await this.contents().get(path, { type: 'notebook', content: true });
    return (content as { metadata?: { widgets?: unknown } }).metadata?.widgets !== undefined;
  }

  /** Save a notebook if it is open and was changed. */
  async save(path: string): Promise<void> {
    const context = this.opened(path)?.context;
    if (context?.model.dirty) {
      await context.save();
    }
  }

  /** The text of its code cells, as they stand in the editor, else on disk. */
  async source(path: string): Promise<string> {
    const open = this.opened(path);
    await open?.context.ready;
    const cells = open ? (open.content.model?.toJSON() as { cells: RawCell[] } | undefined)?.cells : ((await this.contents().get(path)).content as { cells: RawCell[] }).cells;
    return (cells ?? []).filter(cell => cell.cell_type === 'code').map(textOf).join('\n');
  }

  /** Be told when a notebook was saved; the function that is returned ends that. */
  onSaved(path: string, tell: () => void): () => void {
    const context = this.opened(path)?.context;
    const take = (_: unknown, state: DocumentRegistry.SaveState): void => {
      if (state === 'completed') {
        tell();
      }
    };
    context?.saveState.connect(take);
    const opened = (_: unknown, panel: NotebookPanel): void => {
      if (panel.context.path === path) {
        panel.context.saveState.connect(take);
      }
    };
    this.tracker.widgetAdded.connect(opened);
    return () => {
      this.tracker.widgetAdded.disconnect(opened);
      this.tracker.forEach(panel => panel.context.saveState.disconnect(take));
    };
  }

  /** Tag the cell that assigns the defaults, or make one at the top; then save. */
  async tagParameters(path: string): Promise<void> {
    const panel = (this.opened(path) ?? this.documents.openOrReveal(path)) as NotebookPanel | undefined;
    if (!panel) {
      return;
    }
    await panel.context.ready;
    const notebook = panel.content;
    const tagged = notebook.widgets.findIndex(cell => tagsOf(cell.model.getMetadata('tags')).includes(TAG));
    let index = tagged >= 0 ? tagged : notebook.widgets.findIndex(cell => cell.model.type === 'code' && isOnlyAssignments(cell.model.sharedModel.getSource()));
    if (index < 0) {
      index = notebook.widgets.findIndex(cell => cell.model.type === 'code');
      index = index < 0 ? notebook.widgets.length : index;
      notebook.model?.sharedModel.insertCell(index, { cell_type: 'code', source: '# Defaults; each trial gets its own values in the next cell\nlearning_rate = 0.01  # an example: put your own here', metadata: {} });
    }
    const cell = notebook.widgets[index];
    if (cell && tagged < 0) {
      cell.model.setMetadata('tags', [...tagsOf(cell.model.getMetadata('tags')), TAG]);
    }
    notebook.activeCellIndex = index;
    await panel.context.save();
    await notebook.scrollToItem(index);
  }

  /** Put a code cell below the active one; into a new notebook where the user has none open. Runs it if that is asked. */
  async insert(source: string, run = false): Promise<void> {
    const panel = (await this.current()) ?? (await this.create());
    await panel.context.ready;
    const notebook = panel.content;
    const active = notebook.activeCell;
    if (active?.model.type === 'code' && !active.model.sharedModel.getSource().trim()) {
      active.model.sharedModel.setSource(source);
    } else {
      NotebookActions.insertBelow(notebook);
      notebook.activeCell?.model.sharedModel.setSource(source);
    }
    await this.commands.execute('docmanager:open', { path: panel.context.path });
    await notebook.scrollToItem(notebook.activeCellIndex);
    if (run) {
      await panel.sessionContext.ready;
      await NotebookActions.run(notebook, panel.sessionContext, this.dialogs ?? undefined);
      if (panel.sessionContext.hasNoKernel) {
        throw new Error(this.trans.__('%1 has no kernel, so the cell was put there and not run.', panel.context.path));
      }
    }
  }

  /** Write a notebook under a name that is still free; returns its path. */
  async write(name: string, content: object): Promise<string> {
    const listed = (await this.contents().get('', { content: true })).content as { name: string }[];
    const taken = new Set(listed.map(entry => entry.name));
    let path = `${name}.ipynb`;
    for (let number = 2; taken.has(path); number += 1) {
      path = `${name}-${number}.ipynb`;
    }
    await this.contents().save(path, { type: 'notebook', format: 'json', content });
    return path;
  }

  /** A new notebook, with the kernel that a click in the launcher gives. */
  private async create(): Promise<NotebookPanel> {
    const { kernelspecs } = this.documents.services;
    await kernelspecs.ready;
    return (await this.commands.execute('notebook:create-new', { kernelName: kernelspecs.specs?.default })) as NotebookPanel;
  }

  private opened(path: string): NotebookPanel | undefined {
    return this.tracker.find(panel => panel.context.path === path);
  }

  private contents(): Contents.IManager {
    return this.documents.services.contents;
  }
}

interface RawCell {
  cell_type: string;
  source: string | string[];
}

function textOf(cell: RawCell): string {
  return typeof cell.source === 'string' ? cell.source : cell.source.join('');
}

function tagsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
