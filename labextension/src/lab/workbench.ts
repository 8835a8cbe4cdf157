import { Token } from '@lumino/coreutils';
import type { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Api, ApiError, jobPath } from './api';
import { Changes } from './changes';
import { orSay } from './notify';
import { JobsModel } from './jobs';
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
  /** Says which job a command means that was given none: the one that is chosen in the panel. */
  chosen: () => Summary | null = () => null;

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
    const { jobs } = await this.api.get<Page>('jobs', { archived: true });
    this.model.archivedLoaded = true;
    this.model.add(jobs);
  }

  /** What is known of a job; asked for where it is not known yet. */
  async job(name: string): Promise<Summary> {
    return this.model.find(name) ?? this.api.get<Summary>(jobPath(name));
  }

  /** The workspace's folder, as views want it. */
  async root(): Promise<string> {
    return (this.model.workspace ?? (await this.api.get<Workspace>('workspace'))).root;
  }

  private async lookWhy(): Promise<void> {
    if (this.model.link !== 'down' || this.model.loaded) {
      return;
    }
    try {
      await this.api.get('workspace');
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        this.model.setLink('missing');
      } else if (error instanceof ApiError) {
        this.model.refuse(error.message); // it answers: it is not away
      }
    }
  }
}
