/** The workbench as a part of JupyterLab: each plug-in adds one thing, and all share the jobs. */
import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog, IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { insertCells } from '../cells';
import { speak } from '../view/language';
import { addJobCommands } from './commands';
import { Beside } from './beside';
import { EXAMPLE } from './example';
import type { FormPage } from './form/page';
import { workbenchIcon } from './icons';
import { CommandIDs, JOB_COMMANDS, PLUGIN } from './ids';
import { Notebooks } from './notebooks';
import { notify, orSay } from './notify';
import { markOutputs, originOf } from './origin';
import { addPages } from './pages';
import { JobsPanel } from './panel';
import { placeFor } from './place';
import { Settings } from './settings';
import { RunningItem } from './statusbar';
import { IWorkbench, Workbench } from './workbench';

const core: JupyterFrontEndPlugin<Workbench> = {
  id: PLUGIN,
  description: 'Jobs and sweeps of the workbench: what is known of them, and what can be done with them.',
  autoStart: true,
  optional: [ISettingRegistry, ITranslator, ILayoutRestorer],
  provides: IWorkbench,
  activate: (app: JupyterFrontEnd, registry: ISettingRegistry | null, translator: ITranslator | null, restorer: ILayoutRestorer | null) => {
    const settings = new Settings();
    const workbench = new Workbench(app.serviceManager.serverSettings, settings, (translator ?? nullTranslator).load('workbench'));
    speak(workbench.trans);
    const beside = new Beside(app.shell);
    addJobCommands(app.commands, workbench, beside);
    addPages(app, workbench, restorer, beside);
    void settings.load(registry, PLUGIN).catch(console.warn).finally(() => {
      let { workspace } = settings.current;
      workbench.listen();
      settings.changed.connect(() => {
        if (settings.current.workspace !== workspace) {
          workspace = settings.current.workspace;
          workbench.listen();
        }
      });
    });
    return workbench;
  }
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'workbench-lab:panel',
  description: 'The side panel with all jobs and sweeps.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app: JupyterFrontEnd, workbench: Workbench, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { trans } = workbench;
    const jobs = new JobsPanel(workbench.model, app.commands, workbench.settings, trans, () => orSay(() => workbench.loadArchived()), {
      chosen: () => JOB_COMMANDS.forEach(command => app.commands.notifyCommandChanged(command)),
      point: job => (workbench.pointed = job?.name ?? null)
    });
    workbench.chosen = () => jobs.tree.active;
    app.shell.add(jobs, 'left', { rank: 650, type: 'Workbench' });
    restorer?.add(jobs, 'workbench-jobs-panel');
    app.commands.addCommand(CommandIDs.showPanel, {
      label: args => (args['isLauncher'] ? trans.__('Jobs and Sweeps') : trans.__('Show Jobs and Sweeps')),
      icon: workbenchIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(jobs.id)
    });
    palette?.addItem({ command: CommandIDs.showPanel, category: trans.__('Workbench') });
    for (const command of [CommandIDs.openModels, ...JOB_COMMANDS]) {
      palette?.addItem({ command, category: trans.__('Workbench'), args: { isPalette: true } });
    }
  }
};

const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'workbench-lab:notebooks',
  description: 'Runs and sweeps notebooks, and leads from what a trial has executed back to it.',
  autoStart: true,
  requires: [IWorkbench, INotebookTracker, IDocumentManager],
  optional: [ICommandPalette, IDefaultFileBrowser, ILauncher, ITranslator, ISessionContextDialogs],
  activate: (
    app: JupyterFrontEnd,
    workbench: Workbench,
    tracker: INotebookTracker,
    documents: IDocumentManager,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
    launcher: ILauncher | null,
    translator: ITranslator | null,
    dialogs: ISessionContextDialogs | null
  ) => {
    const { commands, shell } = app;
    const { trans } = workbench;
    const books = new Notebooks(documents, tracker, commands, trans, panel => originOf(panel, workbench) !== null, dialogs);
    workbench.notebooks = books;
    markOutputs(tracker, workbench, commands);
    const forms = new Map<string, FormPage>();

    const choose = async (): Promise<string | null> => {
      const found = await FileDialog.getOpenFiles({
        manager: documents,
        title: trans.__('Which notebook?'),
        filter: file => (file.type === 'notebook' || file.type === 'directory' ? {} : null),
        ...(translator ? { translator } : {})
      });
      return found.value?.find(file => file.type === 'notebook')?.path ?? null;
    };
    const openForm = async (path: string, sweep: boolean): Promise<void> => {
      const { FormPage } = await import('./form/page');
      let form = forms.get(path);
      if (!form || form.isDisposed) {
        form = new FormPage(workbench, commands, books, path, sweep);
        forms.set(path, form);
        form.disposed.connect(() => forms.delete(path));
        const beside = tracker.find(panel => panel.context.path === path);
        shell.add(form, placeFor(shell), beside?.isVisible ? { mode: 'split-right', ref: beside.id } : {});
      } else {
        form.sweep = sweep;
      }
      shell.activateById(form.id);
    };
    const pathOf = async (args: { path?: unknown; choose?: unknown; fromBrowser?: unknown }): Promise<string | null> => {
      if (typeof args.path === 'string' && args.path) {
        return args.path;
      }
      if (args.fromBrowser) {
        return browser?.selectedItems().next().value?.path ?? null;
      }
      return args.choose ? choose() : (tracker.currentWidget?.context.path ?? choose());
    };
    const addForm = (id: string, label: string, short: string, caption: string, sweep: boolean): void => {
      commands.addCommand(id, {
        label: args => (args['toolbar'] ? short : args['choose'] ? trans.__('Sweep a Notebook …') : label),
        caption,
        ...(sweep ? { icon: workbenchIcon } : {}),
        describedBy: { args: { type: 'object', properties: { path: { type: 'string', description: trans.__('The notebook; the current one if left out') } } } },
        execute: args =>
          orSay(async () => {
            const path = await pathOf(args);
            if (path !== null) {
              await books.save(path);
              await openForm(path, sweep);
            }
          })
      });
      palette?.addItem({ command: id, category: trans.__('Workbench') });
    };
    addForm(CommandIDs.sweepNotebook, trans.__('Sweep This Notebook …'), trans.__('Sweep'), trans.__('Run this notebook many times with other parameters'), true);
    addForm(CommandIDs.runNotebook, trans.__('Run as Job …'), trans.__('Run as job'), trans.__('Run this notebook once, without its kernel'), false);

    commands.addCommand(CommandIDs.tagParameters, {
      label: trans.__('Make or Find the Parameters Cell'),
      caption: trans.__('Tag the cell that assigns the defaults, or add one'),
      isEnabled: args => Boolean(args['path']) || tracker.currentWidget !== null,
      describedBy: { args: { type: 'object', properties: { path: { type: 'string' } } } },
      execute: args =>
        orSay(async () => {
          const path = typeof args['path'] === 'string' ? args['path'] : tracker.currentWidget?.context.path;
          if (path) {
            await books.tagParameters(path);
          }
        })
    });
    commands.addCommand(CommandIDs.openOrigin, {
      label: trans.__('Open the Trial of This Notebook'),
      isEnabled: () => tracker.currentWidget !== null && originOf(tracker.currentWidget, workbench) !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        orSay(async () => {
          const job = tracker.currentWidget && originOf(tracker.currentWidget, workbench);
          if (job) {
            await commands.execute(CommandIDs.open, { name: job });
          }
        })
    });
    commands.addCommand(CommandIDs.example, {
      label: trans.__('Try an Example'),
      icon: workbenchIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        orSay(async () => {
          const path = await books.write('workbench-example', EXAMPLE);
          await openForm(path, true); // not the notebook too: that would start a kernel, and the form leads to it
        })
    });
    commands.addCommand('workbench:run-yaml-file', {
      label: trans.__('Run as Workbench Job'),
      icon: workbenchIcon,
      isVisible: () => ['.yml', '.yaml'].includes(PathExt.extname(browser?.selectedItems().next().value?.path ?? '')),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        orSay(async () => {
          const file = browser?.selectedItems().next().value;
          if (file) {
            const { content } = await documents.services.contents.get(file.path, { type: 'file', format: 'text', content: true });
            await commands.execute(CommandIDs.runYaml, { yaml: String(content), path: books.onServer(file.path) });
          }
        })
    });
    for (const command of [CommandIDs.tagParameters, CommandIDs.openOrigin, CommandIDs.example]) {
      palette?.addItem({ command, category: trans.__('Workbench') });
    }
    launcher?.add({ command: CommandIDs.showPanel, category: trans.__('Workbench'), rank: 1, args: { isLauncher: true } });
    launcher?.add({ command: CommandIDs.sweepNotebook, category: trans.__('Workbench'), rank: 2, args: { choose: true } });
    launcher?.add({ command: CommandIDs.openModels, category: trans.__('Workbench'), rank: 3 });
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'workbench-lab:status',
  description: 'How much runs, in the status bar.',
  autoStart: true,
  requires: [IWorkbench, IStatusBar],
  activate: (app: JupyterFrontEnd, workbench: Workbench, bar: IStatusBar) => {
    const item = new RunningItem(workbench, app.commands);
    const activeStateChanged = new Signal<RunningItem, void>(item);
    workbench.model.changed.connect(() => activeStateChanged.emit());
    bar.registerStatusItem('workbench-lab:status', { item, align: 'left', rank: 3, isActive: () => item.isNeeded, activeStateChanged });
  }
};

const notifications: JupyterFrontEndPlugin<void> = {
  id: 'workbench-lab:notifications',
  description: 'Says when a sweep ends or a trial fails.',
  autoStart: true,
  requires: [IWorkbench],
  optional: [ILabShell],
  activate: (app: JupyterFrontEnd, workbench: Workbench) => notify(workbench, app.commands)
};

export default [core, panel, notebookPlugin, insertCells, status, notifications];
