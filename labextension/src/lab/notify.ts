import { Notification } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { number } from '../view/dom';
import { said } from './api';
import { CommandIDs } from './ids';
import type { Event } from './jobs';
import type { Workbench } from './workbench';

const TOAST = 8000;

/** Say that a job has ended or a trial has failed: in the list of notifications, and as a toast only if that is wanted. */
export function notify(workbench: Workbench, commands: CommandRegistry): void {
  const shown = new Map<string, string>(); // one note for a job, however many of its trials fail
  workbench.model.happened.connect((_, event) => {
    const { notifications } = workbench.settings.current;
    if (notifications === 'off') {
      return;
    }
    const { trans } = workbench;
    const { job } = event;
    const options = {
      autoClose: notifications === 'toast' ? TOAST : 0,
      actions: [{ label: trans.__('Open'), callback: (): void => void commands.execute(CommandIDs.open, { name: job.name }) }]
    };
    const [message, type] = told(event, workbench);
    const before = shown.get(job.name);
    if (before !== undefined && Notification.manager.has(before)) {
      Notification.update({ id: before, message, type, ...options });
    } else {
      shown.set(job.name, Notification.emit(message, type, options));
    }
  });
}

function told({ kind, job }: Event, { trans }: Workbench): [string, 'success' | 'error' | 'warning' | 'info'] {
  const name = job.displayName || job.name;
  if (kind === 'trial-failed') {
    const failed = job.counts['Failed'] ?? 0;
    return [trans._n('%2: %1 trial has failed', '%2: %1 trials have failed', failed, name), 'warning'];
  }
  if (job.status === 'Completed') {
    const best = job.best ? ` ${trans.__('Best: %1 %2 (trial %3).', job.metric?.name ?? '', number(job.best.score), job.best.number ?? '')}` : '';
    return [trans.__('%1 has completed.', name) + best, 'success'];
  }
  return job.status === 'Failed' ? [trans.__('%1 has failed.', name), 'error'] : [trans.__('%1 was stopped.', name), 'info'];
}

/** Do it, or say in words why it could not be done. */
export async function orSay(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    Notification.error(said(error), { autoClose: false });
  }
}
