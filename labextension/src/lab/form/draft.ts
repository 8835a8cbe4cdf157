/** What the form holds, as values: from a notebook's parameters to what the server is asked. Nothing here is drawn. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { NotebookParameters, Parameter } from '../protocol';
import { literalOf, type Literal } from '../python';

export type Kind = 'fixed' | 'uniform' | 'loguniform' | 'whole' | 'choice' | 'normal' | 'lognormal';

/** One parameter in the form; the texts are as the user typed them. */
export interface Field {
  parameter: Parameter;
  /** Its default as a value; undefined when it is an expression, or there is none. */
  value: Literal | undefined;
  kind: Kind;
  fixed: string;
  low: string;
  high: string;
  choices: string;
}

export interface Draft {
  path: string;
  fields: Field[];
  sweep: boolean;
  metric: string;
  goal: 'maximize' | 'minimize';
  trials: string;
  concurrent: string;
  sampler: 'random' | 'sobol' | 'bayesian' | 'grid';
  stop: 'none' | 'bandit' | 'median_stopping';
  experiment: string;
  displayName: string;
  cpus: string;
  gpus: string;
  memory: string;
  environment: string;
  timeout: string;
  /** Whether the files beside the notebook become the trial's working directory. */
  along: boolean;
}

export interface Objection {
  field: string;
  message: string;
}

interface Distribution {
  type: string;
  [part: string]: unknown;
}

const MOST_WHOLE = 10_000;

/** A form filled with a notebook's defaults. */
export function draftOf(path: string, found: NotebookParameters, metrics: string[], sweep: boolean, concurrent: number): Draft {
  const metric = metrics[0] ?? '';
  return {
    path,
    fields: newFields(found.parameters),
    sweep,
    metric,
    goal: goalOf(metric),
    trials: '20',
    concurrent: concurrent > 0 ? String(concurrent) : '',
    sampler: 'random',
    stop: 'none',
    experiment: stem(path),
    displayName: '',
    cpus: '',
    gpus: '',
    memory: '',
    environment: '',
    timeout: '',
    along: false
  };
}

/**
 * Take a notebook's parameters anew, after the notebook was saved; what was chosen for those that stay is kept. Returns
 * whether they are others.
 */
export function renew(draft: Draft, found: NotebookParameters): boolean {
  if (JSON.stringify(draft.fields.map(field => field.parameter)) === JSON.stringify(found.parameters)) {
    return false;
  }
  if (!draft.fields.length) {
    draft.fields = newFields(found.parameters);
    return true;
  }
  const kept = new Map(draft.fields.map(field => [field.parameter.name, field]));
  draft.fields = found.parameters.map(parameter => {
    const before = kept.get(parameter.name);
    return before && before.parameter.default === parameter.default ? { ...before, parameter } : fieldOf(parameter);
  });
  return true;
}

/** The first number varies, so that the form shows what that means. */
function newFields(parameters: Parameter[]): Field[] {
  const fields = parameters.map(fieldOf);
  const first = fields.find(field => typeof field.value === 'number' && kindsOf(field).length > 2);
  if (first) {
    first.kind = likelyKind(first);
  }
  return fields;
}

function fieldOf(parameter: Parameter): Field {
  const value = parameter.default === null ? undefined : literalOf(parameter.default);
  return { parameter, value, kind: 'fixed', fixed: parameter.default ?? '', ...rangeAround(value), choices: choicesAround(value) };
}

/** Which kinds make sense for a parameter: ranges only for numbers, and nothing that varies for what no job can be given. */
export function kindsOf(field: Field): Kind[] {
  const type = plainType(field);
  if (isCollection(field.value) || ['list', 'tuple', 'dict', 'set'].includes(type)) {
    return ['fixed'];
  }
  if (typeof field.value === 'boolean' || type === 'bool' || isText(field)) {
    return ['fixed', 'choice'];
  }
  if (type === 'int') {
    return ['fixed', 'whole', 'choice'];
  }
  return ['fixed', 'uniform', 'loguniform', 'whole', 'choice', 'normal', 'lognormal'];
}

/** The kind that is likely meant when somebody says that a parameter varies. */
export function likelyKind(field: Field): Kind {
  const kinds = kindsOf(field);
  const { value } = field;
  if (!kinds.includes('uniform') || typeof value !== 'number') {
    return kinds.includes('whole') ? 'whole' : 'choice';
  }
  if (isWhole(field)) {
    return 'whole';
  }
  return value > 0 && value < 0.2 ? 'loguniform' : 'uniform';
}

function isWhole(field: Field): boolean {
  return typeof field.value === 'number' && /^[+-]?[\d_]+$/.test((field.parameter.default ?? '').trim());
}

/** The word that decides in an annotation, as the server has it: that of `float | None` is `float`. */
function plainType({ parameter }: Field): string {
  const text = (parameter.type ?? '').replace(/^["']|["']$|typing\.|pathlib\./g, '').replace(/^Optional\[(.*)\]$/, '$1');
  const words = text.split('|').map(part => part.trim()).filter(part => part !== 'None');
  return words.length === 1 ? (words[0] ?? '').replace(/\[.*/, '').toLowerCase() : '';
}

function isText(field: Field): boolean {
  const type = plainType(field);
  return type === 'str' || type === 'path' || (type === '' && typeof field.value === 'string');
}

function isCollection(value: Literal | undefined): value is Literal[] | { [key: string]: Literal } {
  return typeof value === 'object' && value !== null;
}

/** What is meant by a text in a parameter's field. Only what is a text itself needs no quotes. */
export function valueOf(field: Field, typed: string): Literal | undefined {
  const plain = typed.trim();
  const needsNone = isText(field) && plain !== '' && !/^[rRuU]?["']|^(?:None|True|False)$/.test(plain);
  return needsNone ? plain : literalOf(plain);
}

/** Why a text cannot be meant for a parameter; '' if it can. */
function objectionTo(field: Field, typed: string, trans: TranslationBundle): string {
  const value = valueOf(field, typed);
  if (!typed.trim()) {
    return isText(field) ? trans.__("needs a value; an empty text is ''") : trans.__('needs a value');
  }
  if (value === null || isCollection(value)) {
    return trans.__('a job takes a number, a text, True or False: None, lists and mappings are changed in the notebook');
  }
  return value === undefined ? trans.__('%1 is no value: give a number, True, False, or a text in quotes', typed.trim()) : '';
}

/** Whether a fixed parameter is to have another value than the notebook gives it. */
function isChanged(field: Field): boolean {
  return field.fixed.trim() !== (field.parameter.default ?? '').trim();
}

/** What the server is asked; only what was changed is given, the notebook has the rest. */
export function requestOf(draft: Draft): { notebook: Record<string, unknown> } {
  const inputs: Record<string, unknown> = {};
  for (const field of draft.fields) {
    if (field.kind !== 'fixed' && draft.sweep) {
      inputs[field.parameter.name] = distributionOf(field);
    } else if (isChanged(field)) {
      inputs[field.parameter.name] = valueOf(field, field.fixed);
    }
  }
  const resources = filled({ cpus: numeric(draft.cpus), gpus: numeric(draft.gpus), memory: draft.memory.trim() });
  const sweep = filled({
    metric: draft.metric.trim(),
    goal: draft.goal,
    trials: numeric(draft.trials),
    concurrent: numeric(draft.concurrent),
    sampler: draft.sampler === 'sobol' ? { type: 'random', rule: 'sobol' } : draft.sampler,
    stop: stopOf(draft)
  });
  return {
    notebook: {
      path: draft.path,
      inputs,
      ...(draft.sweep ? { sweep } : {}),
      ...filled({
        experiment: draft.experiment.trim(),
        displayName: draft.displayName.trim(),
        environment: draft.environment.trim(),
        timeout: numeric(draft.timeout),
        code: draft.along ? draft.path.split('/').slice(0, -1).join('/') || '.' : '',
        resources: Object.keys(resources).length ? resources : ''
      })
    }
  };
}

function stopOf(draft: Draft): Record<string, unknown> | string {
  if (draft.stop === 'bandit') {
    return { type: 'bandit', slack_factor: 0.1, evaluation_interval: 1, delay_evaluation: 3 };
  }
  return draft.stop === 'none' ? '' : { type: draft.stop, evaluation_interval: 1, delay_evaluation: 3 };
}

/** What is wrong that needs no server to see. */
export function objections(draft: Draft, trans: TranslationBundle): Objection[] {
  const found: Objection[] = [];
  const object = (field: string, message: string): void => void found.push({ field, message });
  for (const field of draft.fields) {
    const name = placeOfParameter(field.parameter.name);
    if (field.kind === 'fixed' || !draft.sweep) {
      const wrong = isChanged(field) || field.parameter.default === null ? objectionTo(field, field.fixed, trans) : '';
      if (wrong) {
        object(name, wrong);
      }
      continue;
    }
    if (field.kind === 'choice') {
      const typed = split(field.choices);
      const wrong = typed.length ? typed.map(text => objectionTo(field, text, trans)).find(Boolean) : trans.__('give the values to choose from, with commas between them');
      if (wrong) {
        object(name, wrong);
      }
      continue;
    }
    const low = numeric(field.low);
    const high = numeric(field.high);
    if (typeof low !== 'number' || typeof high !== 'number') {
      object(name, field.kind === 'normal' || field.kind === 'lognormal' ? trans.__('mean and deviation are numbers') : trans.__('both ends are numbers'));
    } else if (field.kind === 'normal' || field.kind === 'lognormal') {
      if (high <= 0) {
        object(name, trans.__('the deviation is above 0'));
      }
    } else if (low >= high) {
      object(name, trans.__('the smaller number comes first'));
    } else if (field.kind === 'loguniform' && low <= 0) {
      object(name, trans.__('on a logarithmic scale both ends are above 0'));
    } else if (field.kind === 'whole' && !(Number.isInteger(low) && Number.isInteger(high))) {
      object(name, trans.__('both ends are whole numbers'));
    }
  }
  if (draft.sweep) {
    if (!draft.fields.some(field => field.kind !== 'fixed')) {
      object('search', draft.fields.length ? trans.__('let at least one parameter vary') : trans.__('there is none that could vary'));
    }
    if (!draft.metric.trim()) {
      object('metric', trans.__('name the metric that the notebook logs, as in mlflow.log_metric("accuracy", …)'));
    }
    for (const [name, text, needed] of [['trials', draft.trials, true], ['concurrent', draft.concurrent, false]] as const) {
      const value = numeric(text);
      if ((needed || text.trim()) && !(typeof value === 'number' && Number.isInteger(value) && value > 0)) {
        object(name, trans.__('a whole number from 1 up'));
      }
    }
    if (draft.sampler === 'grid' && draft.fields.some(field => !['fixed', 'choice', 'whole'].includes(field.kind))) {
      object('sampler', trans.__('a grid needs parameters with a list of values'));
    }
    if (draft.sampler === 'bayesian' && draft.stop !== 'none') {
      object('stop', trans.__('bayesian sampling learns from whole trials: it stops none early'));
    }
  }
  return found;
}

/** Parameters may be called as fields of the form are. */
export function placeOfParameter(name: string): string {
  return `parameter:${name}`;
}

/** Where a problem of the server belongs in the form; '' for the form as a whole. */
export function placeOf(field: string, draft: Draft): string {
  const input = /(?:^|\.)(?:inputs|search_space)\.([^.[\]]+)/.exec(field)?.[1];
  if (input !== undefined) {
    return draft.fields.some(entry => entry.parameter.name === input) ? placeOfParameter(input) : '';
  }
  const words: [RegExp, string][] = [
    [/concurrent/i, 'concurrent'],
    [/trials/i, 'trials'],
    [/metric|objective/i, 'metric'],
    [/sampl/i, 'sampler'],
    [/stop|termination/i, 'stop'],
    [/timeout/i, 'timeout'],
    [/environment/i, 'environment'],
    [/cpus|gpus|memory/i, (/cpus|gpus|memory/i.exec(field)?.[0] ?? '').toLowerCase()],
    [/experiment/i, 'experiment']
  ];
  return words.find(([pattern]) => pattern.test(field))?.[1] ?? '';
}

function distributionOf(field: Field): Distribution {
  const low = Number(numeric(field.low));
  const high = Number(numeric(field.high));
  switch (field.kind) {
    case 'choice':
      return { type: 'choice', values: choicesOf(field) };
    case 'loguniform': // Azure's ends are exponents of e; people know the values
      return { type: 'loguniform', min_value: Math.log(low), max_value: Math.log(high) };
    case 'whole': // an ordered list where it is short, so that a grid can take it and both ends occur
      return high - low < MOST_WHOLE ? { type: 'choice', values: Array.from({ length: high - low + 1 }, (_, index) => low + index) } : { type: 'quniform', min_value: low, max_value: high, q: 1 };
    case 'normal':
    case 'lognormal':
      return { type: field.kind, mu: low, sigma: high };
    default:
      return { type: 'uniform', min_value: low, max_value: high };
  }
}

export function choicesOf(field: Field): Literal[] {
  return split(field.choices).map(text => valueOf(field, text)).filter(value => value !== undefined);
}

/** Parts between commas; what begins with a quote or a bracket goes on to its end. */
function split(text: string): string[] {
  const inner = /^\s*\[([^[\]]*)\]\s*$/.exec(text)?.[1] ?? text;
  const parts = inner.match(/\s*(?:[rRuU]?"(?:[^"\\]|\\.)*"|[rRuU]?'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\([^)]*\)|\{[^}]*\})?[^,]*/g) ?? [];
  return parts.map(part => part.trim()).filter(Boolean);
}

function rangeAround(value: Literal | undefined): { low: string; high: string } {
  if (typeof value !== 'number' || value === 0) {
    return value === 0 ? { low: '0', high: '1' } : { low: '', high: '' };
  }
  const [low, high] = [value / 10, value * 10].sort((one, other) => one - other) as [number, number];
  return Number.isInteger(value) && value > 0 ? { low: String(Math.max(1, Math.round(value / 2))), high: String(value * 2) } : { low: short(low), high: short(high) };
}

function choicesAround(value: Literal | undefined): string {
  if (typeof value === 'boolean') {
    return 'True, False';
  }
  if (typeof value === 'number' && value !== 0) {
    return Number.isInteger(value) && Math.abs(value) < 4 ? [value, value + 1, value + 2].join(', ') : [value / 2, value, value * 2].map(short).join(', ');
  }
  return value === undefined || value === null || isCollection(value) ? '' : typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** A number where the text is one; the text otherwise, so that the server can say what is wrong with it. */
function numeric(text: string): number | string {
  const plain = text.trim();
  return plain !== '' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : plain;
}

function filled(parts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== ''));
}

export function stem(path: string): string {
  return (path.split('/').pop() ?? path).replace(/\.ipynb$/, '');
}

export function goalOf(metric: string): 'maximize' | 'minimize' {
  return /loss|error|err$|rmse|mse|mae|perplexity|deviance/i.test(metric) ? 'minimize' : 'maximize';
}

/** The metrics that a notebook's code logs, in the order in which they are written. */
export function metricsIn(source: string): string[] {
  const found = new Set<string>();
  for (const match of source.matchAll(/log_metric\(\s*(?:key\s*=\s*)?["']([^"']+)["']/g)) {
    found.add(match[1] as string);
  }
  for (const match of source.matchAll(/log_metrics\(\s*\{([^}]*)\}/g)) {
    for (const key of (match[1] as string).matchAll(/["']([^"']+)["']\s*:/g)) {
      found.add(key[1] as string);
    }
  }
  for (const match of source.matchAll(/workbench\.log\(([^)]*)\)/g)) {
    for (const key of (match[1] as string).matchAll(/(?:^|,)\s*(\w+)\s*=(?!=)/g)) {
      if (key[1] !== 'step') {
        found.add(key[1] as string);
      }
    }
  }
  return [...found];
}
