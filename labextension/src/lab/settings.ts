import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Signal } from '@lumino/signaling';

/** What the user can choose; schema/plugin.json describes each. */
export interface Values {
  workspace: string;
  refreshRate: number;
  pageSize: number;
  concurrentTrials: number;
  confirm: boolean;
  notifications: 'off' | 'quiet' | 'toast';
}

const DEFAULTS: Values = { workspace: '', refreshRate: 150, pageSize: 100, concurrentTrials: 2, confirm: true, notifications: 'quiet' };

/** The settings as they now are: the defaults until they are loaded, and where there is no registry. */
export class Settings {
  readonly changed = new Signal<this, void>(this);
  current: Values = DEFAULTS;

  async load(registry: ISettingRegistry | null, id: string): Promise<void> {
    if (!registry) {
      return;
    }
    const settings = await registry.load(id);
    const take = (): void => {
      this.current = { ...DEFAULTS, ...(settings.composite as unknown as Partial<Values>) };
      this.changed.emit();
    };
    settings.changed.connect(take);
    take();
  }
}
