import type { Cost } from './support/meter.js';
import type { Backend, Services } from './support/services.js';
import type { Figure } from './support/statistics.js';

/** What a suite gets. */
export interface Bench {
  services: Services;
  scale: Scale;
  /** Where servers leave CPU profiles; unset: they leave none. */
  profileDir?: string;
  /** Runs when the benchmark ends, however it ends. */
  onEnd(stop: () => Promise<void>): void;
}

export interface Scale {
  rounds: number;
  /** Of one round of sustained submission, ms. */
  submissionMs: number;
  /** Tasks of one end-to-end round. */
  tasks: number;
  /** Tasks of one round at light load. */
  singleTasks: number;
  /** Runs of an agent in one round, where they take a millisecond. */
  runs: number;
  /** Duration of the soak suite, ms. */
  soakMs: number;
}

export const FULL: Scale = { rounds: 3, submissionMs: 2000, tasks: 1500, singleTasks: 80, runs: 1000, soakMs: 600_000 };
export const QUICK: Scale = { rounds: 1, submissionMs: 1000, tasks: 600, singleTasks: 60, runs: 300, soakMs: 120_000 };

/** What a suite finds out. */
export interface Report {
  figures: Figure[];
  costs: Cost[];
}

export interface Suite {
  name: string;
  /** What it can be run on; unset: every backend. */
  backends?: readonly Backend[];
  /** It runs only when it is named. */
  onRequest?: boolean;
  run(bench: Bench, backend: Backend): Promise<Report>;
}
