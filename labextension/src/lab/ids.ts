/** The ids of commands, for menus, the palette and other extensions. */
export const CommandIDs = {
  showPanel: 'workbench:show-panel',
  open: 'workbench:open',
  openLog: 'workbench:open-log',
  openNotebook: 'workbench:open-notebook',
  openFolder: 'workbench:open-folder',
  register: 'workbench:register',
  openModels: 'workbench:open-models',
  openOrigin: 'workbench:open-origin',
  stop: 'workbench:stop',
  pause: 'workbench:pause',
  resume: 'workbench:resume',
  rerun: 'workbench:rerun',
  archive: 'workbench:archive',
  restore: 'workbench:restore',
  duplicate: 'workbench:duplicate',
  copyName: 'workbench:copy-name',
  insertCode: 'workbench:insert-code',
  sweepNotebook: 'workbench:sweep-notebook',
  runNotebook: 'workbench:run-notebook',
  runYaml: 'workbench:run-yaml',
  tagParameters: 'workbench:tag-parameters',
  example: 'workbench:example'
} as const;

/** What is done with one job, from a menu or from the palette. */
export const JOB_COMMANDS = [
  CommandIDs.open,
  CommandIDs.stop,
  CommandIDs.pause,
  CommandIDs.resume,
  CommandIDs.register,
  CommandIDs.rerun,
  CommandIDs.duplicate,
  CommandIDs.insertCode,
  CommandIDs.openNotebook,
  CommandIDs.openLog,
  CommandIDs.openFolder,
  CommandIDs.archive,
  CommandIDs.restore
] as const;

export const PLUGIN = 'workbench-lab:plugin';
