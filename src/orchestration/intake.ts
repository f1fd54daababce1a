import { Injectable } from '@nestjs/common';
import { QueueConfig, SandboxConfig } from '../config/index.js';

/** Waits for a sandbox below and above which a worker takes on more, or fewer, tasks, ms. */
const SHORT_MS = 20;
const LONG_MS = 200;
/** Tasks beyond the running ones that keep the sandboxes busy while others are awarded and settled. */
const AHEAD = 2;

/**
 * How many tasks this worker takes on at a time, by how long they wait for a sandbox: one more for each that waited shortly, a
 * quarter fewer for each that waited long (additive increase, multiplicative decrease, as TCP finds its share of a line).
 *
 * Where agents run for a millisecond, most of a task's time goes into its writes, and many tasks at a time share them. Where agents
 * run for seconds, a worker that took on many would keep them from others that are idle, and urgent ones would stand behind them.
 */
@Injectable()
export class Intake {
  private readonly least: number;
  private readonly most: number;
  private current: number;
  private announce: (limit: number) => void = () => undefined;

  constructor({ workerConcurrency }: QueueConfig, { slots }: SandboxConfig) {
    this.most = workerConcurrency;
    this.least = Math.min(this.most, slots + AHEAD);
    this.current = this.least;
  }

  get limit(): number {
    return this.current;
  }

  onChange(listener: (limit: number) => void): void {
    this.announce = listener;
  }

  /** To be told how long each run has waited for its sandbox, ms. */
  waited(ms: number): void {
    const { current } = this;
    const next = ms < SHORT_MS ? current + 1 : ms > LONG_MS ? Math.floor(current * 0.75) : current;
    this.current = Math.min(this.most, Math.max(this.least, next));
    if (this.current !== current) this.announce(this.current);
  }
}
