import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { h } from '../view/dom';
import { CommandIDs } from './ids';
import type { Workbench } from './workbench';

/** The trial that a notebook is the output of; null for one that nobody executed. */
export function originOf(panel: NotebookPanel, workbench: Workbench): string | null {
  const told = panel.content.model?.getMetadata('workbench') as { job?: unknown } | undefined;
  return typeof told?.job === 'string' ? told.job : workbench.model.ofPath(workbench.notebooks?.onServer(panel.context.path) ?? panel.context.path);
}

/** Put a line above each notebook that a trial has left, which leads back to the trial. */
export function markOutputs(tracker: INotebookTracker, workbench: Workbench, commands: CommandRegistry): void {
  const mark = async (panel: NotebookPanel): Promise<void> => {
    await panel.context.ready;
    const look = (): void => {
      const job = panel.isDisposed ? null : originOf(panel, workbench);
      if (job === null) {
        if (workbench.model.loaded || panel.isDisposed) {
          workbench.model.changed.disconnect(look);
        }
        return;
      }
      workbench.model.changed.disconnect(look);
      panel.contentHeader.addWidget(new Marker(job, workbench, commands));
    };
    workbench.model.changed.connect(look); // its folder says nothing before the jobs are known
    look();
  };
  tracker.forEach(panel => void mark(panel));
  tracker.widgetAdded.connect((_, panel) => void mark(panel));
}

class Marker extends Widget {
  constructor(job: string, workbench: Workbench, commands: CommandRegistry) {
    const { trans } = workbench;
    super({
      node: h(
        'div',
        { class: 'wbl-marker', role: 'note' },
        h('button', { type: 'button', class: 'wbl-link', click: () => void commands.execute(CommandIDs.open, { name: job }) }, trans.__('Open %1', job)),
        h('span', {}, trans.__('This is what it has executed; changes here change nothing of it.'))
      )
    });
  }
}
