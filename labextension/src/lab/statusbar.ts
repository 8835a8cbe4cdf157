import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { h } from '../view/dom';
import { workbenchIcon } from './icons';
import { CommandIDs } from './ids';
import type { Workbench } from './workbench';

/** How much runs, at the foot of the window; a click opens the panel. */
export class RunningItem extends Widget {
  private readonly button: HTMLButtonElement;
  private readonly text = h('span', {});

  constructor(
    private readonly workbench: Workbench,
    commands: CommandRegistry
  ) {
    super();
    this.addClass('wbl-statusitem');
    this.button = h('button', { type: 'button', click: () => void commands.execute(CommandIDs.showPanel) });
    workbenchIcon.element({ container: this.button.appendChild(h('span', { 'aria-hidden': 'true' })), width: '14px', height: '14px' });
    this.button.append(this.text);
    this.node.append(this.button);
    workbench.model.changed.connect(this.refresh, this);
    this.refresh();
  }

  /** Whether there is anything to say. */
  get isNeeded(): boolean {
    const { model } = this.workbench;
    const { jobs, waiting } = model.running();
    return jobs + waiting > 0 || model.link === 'down';
  }

  override dispose(): void {
    this.workbench.model.changed.disconnect(this.refresh, this);
    super.dispose();
  }

  private refresh(): void {
    const { trans, model } = this.workbench;
    const { jobs, trials, waiting } = model.running();
    const parts = [trans._n('%1 running', '%1 running', jobs), trials ? trans._n('%1 trial', '%1 trials', trials) : '', waiting ? trans._n('%1 waiting', '%1 waiting', waiting) : ''];
    const text = model.link === 'down' ? trans.__('workbench: no connection') : parts.filter(Boolean).join(' · ');
    if (this.text.textContent !== text) {
      this.text.textContent = text;
      this.button.title = trans.__('Workbench: %1. Open the jobs panel', text);
    }
  }
}
