/** What a view and its Python half say to each other; workbench/views/session.py and verbs.py are the other side. */

export type Scalar = string | number | boolean | null;

export interface Axis {
  name: string;
  scale: 'linear' | 'log' | 'category';
  /** The values of a choice, in the order of the axis. */
  categories?: Scalar[];
}

export interface Header {
  name: string;
  type: 'command' | 'notebook' | 'sweep' | 'trial';
  parent: string | null;
  status: string;
  displayName: string;
  experiment: string;
  description: string | null;
  reason: string | null;
  error: string | null;
  created: number;
  started: number | null;
  ended: number | null;
  held: boolean;
  metric: { name: string; goal: Goal } | null;
  axes: Axis[];
  counts: Record<string, number>;
  total: number | null;
  concurrent: number | null;
  best: { name: string; number: number; score: number | null } | null;
  remaining: number | null;
  params: Record<string, Scalar>;
  /** Seconds since the epoch by the clock that all other times here are by. */
  now: number;
}

export interface Trial {
  name: string;
  number: number;
  status: string;
  params: Record<string, Scalar>;
  score: number | null;
  last: number | null;
  /** Its last value is not a number, or infinite. */
  diverged: boolean;
  spark: (number | null)[];
  started: number | null;
  ended: number | null;
  reason: string | null;
  progress: string | null;
  attempt: number;
}

export interface Figure {
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
  trials: number[];
  axes: Axis[];
  note: string;
}

export interface LogPart {
  /** Whose log it is; who asks for none in particular follows this one from then on. */
  trial: string;
  attempt: number;
  begin: number;
  end: number;
  text: string;
}

export interface Usage {
  name: string;
  number: number | null;
  processes: number;
  cpuSeconds: number;
  memory: number;
  gpus: { label: string; name: string; memory: number }[];
}

export interface Gpu {
  label: string;
  name: string;
  /** Percent of the last moment; null where the driver does not tell. */
  busy: number | null;
  used: number;
  total: number;
}

export interface Machine {
  slots: { used: number; total: number };
  gpus: Gpu[];
}

export interface Outputs {
  trial: string;
  folder: string;
  notebook: string | null;
  values: Record<string, unknown>;
  files: { path: string; bytes: number }[];
}

export type Goal = 'maximize' | 'minimize';

export interface MetricValue {
  name: string;
  value: number | null;
  step: number | null;
}

export interface Candidate {
  trial: string;
  number: number | null;
  status: string;
  /** The primary metric of the trial's sweep. */
  metric: (MetricValue & { goal: Goal }) | null;
  /** Where there is none: what each metric was last. */
  metrics: MetricValue[];
  params: Record<string, Scalar>;
  models: { path: string; flavors: string[]; signature: string | null; bytes: number; hasExample: boolean }[];
  howToLog: string | null;
  names: string[];
  suggested: string;
  aliases: { name: string; alias: string; version: string; metric: string | null; goal: Goal | null; score: string | null }[];
  registered: { name: string; version: string }[];
}

export interface Registered {
  name: string;
  version: string;
  address: string;
  load: string;
  alias: string | null;
}

export type Ranges = Record<string, [number, number][]>;

/** Each verb with what it takes and what it answers. */
export interface Verbs {
  figure: [{ kind: string; options?: Record<string, unknown> }, Figure];
  metrics: [Record<string, never>, string[]];
  log: [{ trial: string | null; offset: number | null }, LogPart];
  usage: [Record<string, never>, Usage[]];
  machine: [Record<string, never>, Machine];
  snapshot: [Record<string, never>, Record<string, string>];
  outputs: [{ trial: string | null }, Outputs];
  cancel: [{ names?: string[] }, string];
  pause: [Record<string, never>, string];
  resume: [Record<string, never>, string];
  extend: [{ trials: number }, string];
  narrow: [{ ranges: Ranges }, string];
  builder: [Record<string, never>, string];
  rerun: [{ trial: string | null }, { name: string; drift: string[] }];
  candidate: [{ trial: string | null }, Candidate];
  check_model: [{ trial: string | null; model: string }, { ok: boolean; told: string }];
  register: [
    {
      trial: string | null;
      model: string;
      name: string;
      description?: string;
      tags?: Record<string, string>;
      alias?: string;
      again?: boolean;
    },
    Registered
  ];
}

export type Verb = keyof Verbs;

export type Incoming =
  | { type: 'state'; header: Header; trials: Trial[] }
  | { type: 'delta'; header: Header; trials: Trial[]; points: boolean }
  | { type: 'gone'; error: string }
  | { type: 'reply'; id: number; ok: true; value: unknown }
  | { type: 'reply'; id: number; ok: false; error: string };
