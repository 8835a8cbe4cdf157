import type { TranslationBundle } from '@jupyterlab/translation';
import { number, valueText } from '../view/dom';
import type { Left } from './jobs';
import { isFinished, type Summary } from './protocol';

/** What a row says of a job, in words. */
export interface Words {
  title: string;
  status: string;
  /** How far it is, or why it is as it is. */
  detail: string;
  /** The value of the primary metric, the best one of a sweep; empty when there is none. */
  best: string;
  metric: string;
  /** From 0 to 1; null when it is not known or no longer of interest. */
  done: number | null;
}

export function wordsOf(job: Summary, trans: TranslationBundle): Words {
  const score = job.type === 'sweep' ? job.best?.score : job.score;
  const metric = job.metric?.name ?? '';
  return {
    title: job.type === 'trial' ? trans.__('trial %1', job.number ?? job.name) : job.displayName || job.name,
    status: job.held && !isFinished(job) ? trans.__('Paused') : statusWord(job.status, trans),
    detail: detailOf(job, trans),
    best: score === null || score === undefined ? '' : number(score),
    metric: score === null || score === undefined || job.type === 'trial' ? '' : metric,
    done: job.type === 'sweep' && !isFinished(job) && job.total ? Math.min(1, ended(job) / job.total) : null
  };
}

export function leftOf(left: Left, trans: TranslationBundle): string {
  switch (left.is) {
    case 'loading':
      return trans.__('Loading …');
    case 'none':
      return trans.__('No trial has begun');
    case 'more':
      return trans._n('%1 more trial', '%1 more trials', left.trials);
    case 'problem':
      return left.message;
  }
}

export function ended(job: Summary): number {
  return ['Completed', 'Failed', 'Canceled'].reduce((sum, status) => sum + (job.counts[status] ?? 0), 0);
}

/** A status in the user's language. */
function statusWord(status: string, trans: TranslationBundle): string {
  switch (status) {
    case 'Completed':
      return trans.__('Completed');
    case 'Failed':
      return trans.__('Failed');
    case 'Canceled':
      return trans.__('Canceled');
    case 'CancelRequested':
      return trans.__('Stopping');
    case 'Running':
      return trans.__('Running');
    case 'Queued':
      return trans.__('Queued');
    case 'NotStarted':
      return trans.__('Not started');
    default:
      return trans.__(status);
  }
}

function detailOf(job: Summary, trans: TranslationBundle): string {
  if (job.type === 'sweep') {
    const failed = job.counts['Failed'] ?? 0;
    const known = job.total === null ? trans.__('%1 trials', ended(job)) : trans.__('%1 of %2', ended(job), job.total);
    return failed ? `${known} · ${trans._n('%1 failed', '%1 failed', failed)}` : known;
  }
  if (!isFinished(job)) {
    return job.progress ?? job.reason ?? '';
  }
  const why = job.status === 'Failed' ? firstLine(job.error ?? job.reason ?? '') : '';
  return why || shortParams(job);
}

export function shortParams(job: Summary): string {
  return Object.entries(job.params)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(' · ');
}

function firstLine(text: string): string {
  const lines = text.trim().split('\n');
  return lines[lines.length - 1] ?? '';
}
