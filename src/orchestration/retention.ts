import { Injectable, Logger } from '@nestjs/common';
import { AuthConfig, TaskConfig } from '../config/index.js';
import { DataSource } from 'typeorm';
import { ApiKeys, Sessions } from '../auth/index.js';
import { Recurring } from '../common/recurring.js';
import { inOneProcess } from '../database/index.js';
import { AgentState } from '../host-calls/index.js';
import { EventLog } from '../feed/index.js';
import { AccountErasure, Submissions, TaskDocuments, TaskStore } from '../tasks/index.js';

/** Rows one statement deletes, so that none holds locks for long. */
const BATCH = 1000;

/**
 * Deletes tasks, documents, events, idempotency keys, logins and API keys whose time is over, in batches, one process at a time. Statistics
 * keep what they have counted: no event goes before every projection has seen it.
 */
@Injectable()
export class Retention {
  private readonly logger = new Logger('Retention');
  private readonly accessMs: number;
  private readonly recurring: Recurring;

  constructor(
    private readonly database: DataSource,
    private readonly store: TaskStore,
    private readonly submissions: Submissions,
    private readonly documents: TaskDocuments,
    private readonly erasure: AccountErasure,
    private readonly events: EventLog,
    private readonly sessions: Sessions,
    private readonly apiKeys: ApiKeys,
    private readonly state: AgentState,
    private readonly config: TaskConfig,
    { retentionMs }: AuthConfig,
  ) {
    this.accessMs = retentionMs;
    this.recurring = new Recurring(
      (signal) => inOneProcess(this.database, 'retention', () => this.deleteOld(signal)),
      this.config.retentionIntervalMs,
      ({ message }) => this.logger.warn(`what is old stays for now: ${message}`),
    );
  }

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  private async deleteOld(signal: AbortSignal): Promise<void> {
    const all = (deleteBatch: () => Promise<number>): Promise<number> => inBatches(deleteBatch, signal);
    const erased = await this.erasure.run(signal);
    if (erased > 0) this.logger.log(`deleted ${erased} tasks and events of deleted accounts`);
    const { taskRetentionMs, eventRetentionMs, idempotencyTtlMs } = this.config;
    const tasks = taskRetentionMs > 0 ? await all(() => this.store.deleteOld(taskRetentionMs, BATCH)) : 0;
    // After the tasks that referred to them.
    const documents = await all(() => this.documents.deleteUnused(BATCH));
    const events = eventRetentionMs > 0 ? await all(() => this.events.deleteOld(eventRetentionMs, BATCH)) : 0;
    const keys = await all(() => this.submissions.forgetKeys(idempotencyTtlMs, BATCH));
    const logins = await all(() => this.sessions.deleteOld(this.accessMs, BATCH));
    const apiKeys = await all(() => this.apiKeys.deleteOld(this.accessMs, BATCH));
    const entries = await all(() => this.state.deleteOld(BATCH));
    if (tasks + documents + events + keys + logins + apiKeys + entries === 0) return;
    this.logger.log(
      `deleted ${tasks} tasks, ${documents} documents, ${events} events, ${keys} idempotency keys, ${logins} logins, ${apiKeys} API keys and ${entries} entries of agents' states whose time was over`,
    );
  }
}

/** @returns how many rows there were */
async function inBatches(deleteBatch: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let sum = 0;
  for (let count = BATCH; count === BATCH && !signal.aborted; sum += count) count = await deleteBatch();
  return sum;
}
