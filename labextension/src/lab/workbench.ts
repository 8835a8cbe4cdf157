import { Token } from '@lumino/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Api, ApiError, jobPath } from './api';
import { Changes } from './changes';
import { orSay } from './notify';
import { everyPage, JobsModel } from './jobs';
import type { Notebooks } from './notebooks';
import type { Page, Summary, Workspace } from './protocol';
import type { Settings } from './settings';

/** What the parts of the extension share: the jobs, the server, the words, and which job is meant. */
export const IWorkbench = new Token<Workbench>('workbench-lab:IWorkbench', 'The jobs of the workbench, and the server that has them.');

export class Workbench {
  readonly api: Api;
  readonly model: JobsModel;
  /** The user's notebooks, where the application has such. */
  notebooks: Notebooks | null = null;
  private changes: Changes | null = null;
  private isLooking = false;
  /** Says which job is chosen in the panel. */
  chosen: () => Summary | null = () => null;
  /** The job whose context menu was opened last. */
  pointed: string | null = null;

  constructor(
    server: ServerConnection.ISettings,
    readonly settings: Settings,
    readonly trans: TranslationBundle
  ) {
    this.api = new Api(server, () => settings.current.workspace);
    this.model = new JobsModel((parent, offset, limit) =>
      this.api.get<Page>(jobPath(parent, 'children'), { order: 'running', offset, limit: limit ?? settings.current.pageSize })
    );
    this.model.parentsChanged.connect((_, parents) => this.changes?.expand(parents));
    this.model.changed.connect(this.lookWhy, this);
  }

  /**
   * Which job a command means: the one that it names, else the one that is chosen in the panel. An item of a context menu
   * means the one that the menu was opened on, for the list goes on changing below it.
   */
  meant(args: { name?: unknown; menu?: unknown }): string | null {
    if (typeof args.name === 'string' && args.name) {
      return args.name;
    }
    return args.menu ? this.pointed : (this.chosen()?.name ?? null);
  }

  /** What a command is called: in the palette with the job that it means, for that may be out of sight there. */
  titled(label: string, args: { name?: unknown; menu?: unknown; isPalette?: unknown }): string {
    const name = args.isPalette ? this.meant(args) : null;
    return name === null ? label : this.trans.__('%1 (%2)', label, name);
  }

  /** Listen to the workspace that the settings say, and know only of that. */
  listen(): void {
    this.changes?.close();
    this.changes = null;
    this.model.forget();
    if (this.model.filter.status === 'archived') {
      void orSay(() => this.loadArchived());
    }
    this.changes = new Changes(() => this.api.socket('changes'), this.model);
  }

  async loadArchived(): Promise<void> {
    await everyPage(offset => this.api.get<Page>('jobs', { archived: true, offset }), jobs => this.model.add(jobs));
    this.model.archivedLoaded = true;
    this.model.add([]);
  }

  /** What is known of a job; asked for where it is not known yet. */
  async job(name: string): Promise<Summary> {
    return this.model.find(name) ?? this.api.get<Summary>(jobPath(name));
  }

  /** The workspace's folder, as views want it. */
  async root(): Promise<string> {
    return (this.model.workspace ?? (await this.api.get<Workspace>('workspace'))).root;
  }

  /** A line that breaks says no reason; an address that is asked for does. */
  private async lookWhy(): Promise<void> {
    if (this.model.link !== 'down' || this.isLooking) {
      return;
    }
    this.isLooking = true;
    let problem = '';
    try {
      await this.api.get('workspace');
    } catch (error) {
      if (error instanceof ApiError) {
        problem = error.message; // it answers: it is not away
        if (error.status === 404 && !this.model.loaded) {
          this.model.setLink('missing');
        }
      }
    }
    if (this.model.link === 'down') {
      this.model.refuse(problem);
    }
    this.isLooking = false;
  }
}
