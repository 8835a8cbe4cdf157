import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';
import { OPEN, type Wished } from '../view/asking';
import { jobPath } from './api';
import type { Beside } from './beside';
import { workbenchIcon } from './icons';
import { CommandIDs } from './ids';
import { orSay } from './notify';
import { isFinished, type Summary } from './protocol';
import type { Workbench } from './workbench';

type Args = ReadonlyPartialJSONObject;

/** What a trial has executed is there to be read, without a kernel; whoever runs a cell of it is asked for one. */
const TO_BE_READ = { kernelPreference: { shouldStart: false, autoStartDefault: false } };

/** What can be done with one job. */
export function addJobCommands(commands: CommandRegistry, workbench: Workbench, beside: Beside): void {
  const { trans, api, model } = workbench;
  const meant = (args: Args): string | null => workbench.meant(args);
  const known = (args: Args): Summary | null => {
    const name = meant(args);
    return name === null ? null : (model.find(name) ?? null);
  };

  const add = (id: string, label: string, run: (name: string, args: Args) => Promise<unknown>, details: Partial<CommandRegistry.ICommandOptions> = {}): void => {
    commands.addCommand(id, {
      label: args => workbench.titled(label, args),
      isEnabled: args => meant(args) !== null,
      ...details,
      describedBy: { args: { type: 'object', properties: { name: { type: 'string', description: trans.__('The job; the one chosen in the panel if left out') } } } },
      execute: async args => {
        const name = meant(args);
        if (name !== null) {
          await orSay(() => run(name, args));
        }
      }
    });
  };
  const really = async (title: string, body: string, yes: string): Promise<boolean> =>
    !workbench.settings.current.confirm || (await showDialog({ title, body, buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: yes })] })).button.accept;
  const act = (name: string, verb: string): Promise<unknown> => api.post(jobPath(name, verb));
  const going = (args: Args): boolean => {
    const job = known(args);
    return job !== null && !isFinished(job);
  };

  add(
    CommandIDs.stop,
    trans.__('Stop'),
    async name => {
      const running = model.find(name)?.counts['Running'] ?? 0;
      const body = running > 1 ? trans.__('Its %1 running trials are ended. What has finished stays.', running) : trans.__('What has finished stays.');
      if (await really(trans.__('Stop %1?', name), body, trans.__('Stop it'))) {
        await act(name, 'cancel');
      }
    },
    { isVisible: going }
  );
  add(CommandIDs.pause, trans.__('Pause: start no more trials'), name => act(name, 'pause'), { isVisible: args => going(args) && known(args)?.type === 'sweep' && !known(args)?.held });
  add(CommandIDs.resume, trans.__('Resume'), name => act(name, 'resume'), { isVisible: args => going(args) && known(args)?.held === true });
  add(
    CommandIDs.rerun,
    trans.__('Run Again'),
    async name => {
      const again = (await api.post(jobPath(name, 'rerun'))) as { name: string; drift?: string[] };
      if (again.drift?.length) {
        Notification.warning(trans.__('%1 is not as it was: %2', again.name, again.drift.join('; ')), { autoClose: false });
      }
      await commands.execute(CommandIDs.open, { name: again.name });
    },
    { isVisible: args => known(args) === null || known(args)?.type !== 'trial' || isFinished(known(args) as Summary) }
  );
  add(
    CommandIDs.archive,
    trans.__('Archive'),
    async name => {
      if (await really(trans.__('Archive %1?', name), trans.__('It leaves the list; its files, runs and models stay. “Archived” in the panel shows it again.'), trans.__('Archive'))) {
        await act(name, 'archive');
        await refresh(workbench, name);
      }
    },
    { isVisible: args => known(args)?.parent === null && known(args)?.archived === false }
  );
  add(
    CommandIDs.restore,
    trans.__('Restore'),
    async name => {
      await act(name, 'restore');
      await refresh(workbench, name);
    },
    { isVisible: args => known(args)?.archived === true }
  );
  add(CommandIDs.copyName, trans.__('Copy Name'), async name => Clipboard.copyToSystem(name));
  add(
    CommandIDs.duplicate,
    trans.__('Duplicate in Builder'),
    async name => {
      const { text } = await api.get<{ text: string }>(jobPath(name, 'code'), { opens: 'builder' });
      await workbench.notebooks?.insert(text, true);
    },
    { isVisible: args => workbench.notebooks !== null && known(args)?.type !== 'trial' }
  );
  commands.addCommand(CommandIDs.insertCode, {
    label: args => workbench.titled(trans.__('Insert Code'), args),
    caption: trans.__('Put the code that loads this into the current notebook'),
    isEnabled: args => typeof args['source'] === 'string' || meant(args) !== null,
    isVisible: () => workbench.notebooks !== null,
    execute: args =>
      orSay(async () => {
        const name = meant(args);
        const source = typeof args['source'] === 'string' ? args['source'] : name === null ? null : ((await api.get<{ text: string }>(jobPath(name, 'code'), { language: 'python' })).text);
        if (source !== null) {
          await workbench.notebooks?.insert(source);
        }
      })
  });
  const openExecuted = async (name: string, elsewhere: { workspace?: string } = {}): Promise<void> => {
    const { notebook } = await api.get<Summary>(jobPath(name), elsewhere);
    if (notebook === null) {
      throw new Error(trans.__('%1 has no output notebook.', name));
    }
    const options = { ...beside.options };
    const reading = (await workbench.notebooks?.hasWidgets(notebook)) ? {} : TO_BE_READ;
    beside.opened((await commands.execute('docmanager:open', { path: notebook, options, ...reading })) as Widget | undefined);
  };
  document.addEventListener(OPEN, event => {
    event.preventDefault();
    const { name, workspace } = (event as CustomEvent<Wished>).detail; // a view in a notebook may be of another workspace
    void orSay(() => openExecuted(name, { workspace }));
  });
  for (const [id, part] of [
    [CommandIDs.openNotebook, 'notebook'],
    [CommandIDs.openFolder, 'folder']
  ] as const) {
    add(
      id,
      part === 'notebook' ? trans.__('Open Output Notebook') : trans.__('Open Folder'),
      async name => {
        if (part === 'notebook') {
          await openExecuted(name);
        } else {
          const job = await api.get<Summary>(jobPath(name));
          await commands.execute('filebrowser:activate');
          await commands.execute('filebrowser:go-to-path', { path: job.folder, dontShowBrowser: false });
        }
      },
      part === 'notebook' ? { isVisible: args => known(args) === null || known(args)?.notebook !== null } : {}
    );
  }
  commands.addCommand(CommandIDs.runYaml, {
    label: trans.__('Run as Job'),
    icon: workbenchIcon,
    caption: trans.__('Submit the job or sweep that this YAML file defines'),
    execute: args =>
      orSay(async () => {
        const { name } = await api.post<{ name: string }>('jobs', { yaml: String(args['yaml'] ?? ''), folder: PathExt.dirname(String(args['path'] ?? '')) });
        await commands.execute(CommandIDs.open, { name });
      })
  });
}

async function refresh(workbench: Workbench, name: string): Promise<void> {
  workbench.model.add([await workbench.api.get<Summary>(jobPath(name))]);
}
