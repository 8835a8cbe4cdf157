/** What the server says of jobs; workbench/server is the other side, and its openapi.json describes it. */

export type Scalar = string | number | boolean | null;

export interface Summary {
  name: string;
  type: 'command' | 'notebook' | 'sweep' | 'trial';
  runs: 'command' | 'notebook';
  parent: string | null;
  number: number | null;
  displayName: string;
  experiment: string;
  status: string;
  held: boolean;
  reason: string | null;
  error: string | null;
  created: number;
  started: number | null;
  ended: number | null;
  archived: boolean;
  /** From 1; a trial that is tried again begins anew under its name. */
  attempt: number;
  metric: { name: string; goal: string } | null;
  best: { name: string; number: number | null; score: number | null } | null;
  score: number | null;
  counts: Record<string, number>;
  total: number | null;
  params: Record<string, Scalar>;
  progress: string | null;
  tags: Record<string, string>;
  /** Relative to the folder that the server serves. */
  folder: string;
  notebook: string | null;
  log: string | null;
  /** The number of its last change. */
  seq: number;
}

/** Memory in bytes; `holders` are the trials that run on it. */
export interface Gpu {
  name: string;
  label: string;
  index: number;
  memoryUsed: number;
  memoryTotal: number;
  holders: string[];
}

export interface Used {
  used: number;
  total: number;
}

/** Cores and memory that are leased; memory in MiB. */
export interface Queue {
  slots: Used;
  cores: Used;
  memory: Used;
  gpus: Gpu[];
  running: { name: string; displayName: string; trials: number }[];
  queued: { name: string; displayName: string; position: number; waitsFor: string | null; held: boolean; priority: number }[];
}

export interface Workspace {
  root: string;
  relative: string;
  exists: boolean;
  experiments: string[];
}

export interface Page {
  cursor: number;
  total: number;
  jobs: Summary[];
}

export type Told =
  | { type: 'state'; cursor: number; jobs: Summary[]; workspace: Workspace; queue: Queue | null }
  | { type: 'delta'; cursor: number; jobs: Summary[]; queue?: Queue | null }
  | { type: 'problem'; message: string; where: string | null; todo: string | null };

export interface ModelVersion {
  version: string;
  aliases: string[];
  created: number;
  runId: string | null;
  /** The job or trial that made it; null where it came from elsewhere. */
  job: string | null;
  trial: number | null;
  sweep: string | null;
  metric: { name: string | null; value: number | null } | null;
  loadCode: string;
}

export interface RegisteredModel {
  name: string;
  versions: ModelVersion[];
}

export interface Parameter {
  name: string;
  type: string | null;
  /** As it is written in the notebook. */
  default: string | null;
  help: string;
}

export interface NotebookParameters {
  tagged: boolean;
  parameters: Parameter[];
  kernel: string | null;
  problems: string[];
}

export interface Problem {
  field: string;
  message: string;
  todo?: string | null;
}

const FINISHED = ['Completed', 'Failed', 'Canceled'];

export function isFinished(job: Summary): boolean {
  return FINISHED.includes(job.status);
}
