import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker, type MainAreaWidget } from '@jupyterlab/apputils';
import { ASK, type Asked } from '../view/asking';
import { jobPath } from './api';
import type { Beside } from './beside';
import { modelsIcon, workbenchIcon } from './icons';
import { CommandIDs } from './ids';
import type { LogPage } from './log';
import type { ModelsPage } from './models';
import { orSay } from './notify';
import type { JobPage } from './page';
import { placeFor } from './place';
import type { Workbench } from './workbench';

/** The pages of the main area: one for each job and each log, and one of all models. They come back after a reload. */
export function addPages(app: JupyterFrontEnd, workbench: Workbench, restorer: ILayoutRestorer | null, beside: Beside): void {
  const { commands, shell } = app;
  const { trans } = workbench;
  const jobs = new WidgetTracker<JobPage>({ namespace: 'workbench-jobs' });
  const logs = new WidgetTracker<LogPage>({ namespace: 'workbench-logs' });
  const models = new WidgetTracker<ModelsPage>({ namespace: 'workbench-models' });
  const meant = (args: { name?: unknown; menu?: unknown }): string => workbench.meant(args) ?? '';
  const show = (page: MainAreaWidget, tracker: WidgetTracker, options: { ref?: string } = {}): void => {
    if (!page.isAttached) {
      void tracker.add(page);
      shell.add(page, placeFor(shell), options);
    }
    shell.activateById(page.id);
  };
  const name = { type: 'object', properties: { name: { type: 'string' } } };

  commands.addCommand(CommandIDs.open, {
    label: args => workbench.titled(trans.__('Open'), args),
    icon: workbenchIcon,
    isEnabled: args => meant(args) !== '',
    describedBy: { args: name },
    execute: async args => {
      const job = meant(args);
      const known = jobs.find(page => page.job === job);
      if (known) {
        return show(known, jobs);
      }
      const { JobPage } = await import('./page');
      const page = jobs.find(other => other.job === job) ?? new JobPage(workbench, commands, job);
      page.node.addEventListener(ASK, event => {
        const { source, run } = (event as CustomEvent<Asked>).detail;
        event.preventDefault();
        event.stopPropagation();
        void orSay(() => workbench.notebooks?.insert(source, run) ?? Promise.resolve());
      });
      show(page, jobs, typeof args['ref'] === 'string' && args['ref'] ? { ref: args['ref'] } : {});
    }
  });
  commands.addCommand(CommandIDs.register, {
    label: args => workbench.titled(workbench.model.find(meant(args))?.type === 'sweep' ? trans.__('Register Best Model …') : trans.__('Register Model …'), args),
    isEnabled: args => meant(args) !== '',
    describedBy: { args: name },
    execute: async args => {
      const job = meant(args);
      await commands.execute(CommandIDs.open, { name: job });
      jobs.find(page => page.job === job)?.showTab('register');
    }
  });
  commands.addCommand(CommandIDs.openLog, {
    label: args => workbench.titled(trans.__('Open Log'), args),
    isEnabled: args => meant(args) !== '',
    isVisible: args => workbench.model.find(meant(args))?.type !== 'sweep',
    describedBy: { args: name },
    execute: args =>
      orSay(async () => {
        const job = await loggedJob(workbench, meant(args));
        const { LogPage } = await import('./log');
        const page = logs.find(other => other.job === job) ?? new LogPage(workbench, job);
        if (!page.isAttached) {
          void logs.add(page);
          beside.add(page);
        }
        shell.activateById(page.id);
      })
  });
  commands.addCommand(CommandIDs.openModels, {
    label: args => (args['isPalette'] ? trans.__('Open Registered Models') : trans.__('Registered Models')),
    icon: modelsIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const { ModelsPage } = await import('./models');
      show(models.find(() => true) ?? new ModelsPage(workbench, commands), models);
    }
  });
  if (restorer) {
    void restorer.restore(jobs, { command: CommandIDs.open, args: page => ({ name: page.job }), name: page => page.job });
    void restorer.restore(logs, { command: CommandIDs.openLog, args: page => ({ name: page.job }), name: page => page.job });
    void restorer.restore(models, { command: CommandIDs.openModels, name: () => 'models' });
  }
}

/** Whose log is meant: a sweep itself prints nothing, its best trial does. */
async function loggedJob(workbench: Workbench, name: string): Promise<string> {
  const job = workbench.model.find(name) ?? (await workbench.api.get<{ type: string; best: { name: string } | null }>(jobPath(name)));
  return job.type === 'sweep' ? (job.best?.name ?? name) : name;
}
