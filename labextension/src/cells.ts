/** Puts cells into notebooks, for views and the builder, which know of no notebook: they ask with an event. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ASK, type Asked } from './view/asking';

/** Whether there is a cell afterwards that was not there before: a notebook that is still being read takes none. */
function insert(panel: NotebookPanel, target: Node, asked: Asked): boolean {
  const { content, sessionContext } = panel;
  const before = content.widgets.length;
  const below = content.widgets.findIndex(cell => cell.node.contains(target));
  if (below >= 0) {
    content.activeCellIndex = below;
  }
  NotebookActions.insertBelow(content);
  if (content.widgets.length === before) {
    return false;
  }
  if (below < 0) {
    asked.elsewhere = panel.title.label;
  }
  content.activeCell?.model.sharedModel.setSource(asked.source);
  void content.scrollToItem(content.activeCellIndex, 'smart');
  if (asked.run && sessionContext.session?.kernel) {
    asked.ran = true;
    void NotebookActions.run(content, sessionContext);
  }
  return true;
}

export const insertCells: JupyterFrontEndPlugin<void> = {
  id: 'workbench-lab:cells',
  description: 'Puts cells that views and the builder ask for below the cell that shows them.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, notebooks: INotebookTracker) => {
    document.addEventListener(ASK, event => {
      const target = event.target as Node;
      const panel = notebooks.find(one => one.node.contains(target)) ?? notebooks.currentWidget;
      if (panel && !event.defaultPrevented && insert(panel, target, (event as CustomEvent<Asked>).detail)) {
        event.preventDefault();
      }
    });
  }
};

