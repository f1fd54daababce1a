import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource, In } from 'typeorm';
import { AccountsService, type Caller } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { stringify } from '../common/raw-json.js';
import { inTime } from '../common/timers.js';
import { traceparent } from '../common/work-context.js';
import { AuctionConfig, type GeoConfig, SandboxConfig, TaskConfig } from '../config/index.js';
import { insufficientCredits, Ledger, SpendingLimits } from '../ledger/index.js';
import { SpanKind, traced } from '../observability/index.js';
import { AdmissionControl, Enqueuer } from '../scheduling/index.js';
import {
  isTerminal,
  type NewTask,
  NO_DOCUMENTS,
  RowQuota,
  type Submission,
  type SubmissionKey,
  type SubmissionOutcome,
  Submissions,
  Task,
  type TaskDocument,
  TaskDocuments,
} from '../tasks/index.js';
import { type SubmitBatchDto, SubmitTaskDto, type TaskBatchDto, type TaskDto } from './task.dto.js';
import { presentSummary, presentTask, SUMMARY_COLUMNS } from './task.presenter.js';
import { TaskService } from './task.service.js';
import { TaskWaiter, type Watch } from './task-waiter.js';
import { asStored, assertInTime, toNewTask } from './to-new-task.js';

/** Turns a request into tasks: checks it, asks for room and credits, writes the tasks and queues them. */
@Injectable()
export class TaskSubmitter {
  private readonly geo: GeoConfig;

  constructor(
    private readonly database: DataSource,
    private readonly tasks: TaskService,
    private readonly submissions: Submissions,
    private readonly admission: AdmissionControl,
    private readonly waiter: TaskWaiter,
    private readonly documents: TaskDocuments,
    private readonly enqueuer: Enqueuer,
    private readonly accounts: AccountsService,
    private readonly rows: RowQuota,
    private readonly ledger: Ledger,
    private readonly spending: SpendingLimits,
    private readonly limits: TaskConfig,
    private readonly sandbox: SandboxConfig,
    { geo }: AuctionConfig,
  ) {
    this.geo = geo;
  }

  /**
   * Writes the task, then queues it. The answer comes after the commit, or, if the caller waits, once the task has ended.
   * @throws AppError `unauthorised` `ACCOUNT_GONE`, `forbidden` `ACCOUNT_SUSPENDED`, `QUOTA_EXCEEDED` (stored bytes) or `SPENDING_LIMIT_EXCEEDED`,
   *   `unpaid` `INSUFFICIENT_CREDITS`, `overloaded` `QUEUE_FULL`, `exhausted` `QUOTA_EXCEEDED` (waiting tasks) or `QUEUE_SHARE_EXCEEDED`,
   *   `unprocessable` `IDEMPOTENCY_KEY_REUSED`
   */
  async submit(caller: Caller, dto: SubmitTaskDto, { key, waitMs = 0 }: SubmitOptions = {}): Promise<TaskDto> {
    const task = toNewTask(caller.id, dto, this.limits, this.sandbox, this.geo);
    if (waitMs > 0) await this.waiter.ready();
    const watch = waitMs > 0 ? this.waiter.watch(task.id) : null;
    try {
      const stored = await this.write(caller, [task], { repeatable: key && { key, request: ['task', dto] } });
      if (!stored.createdAt) return await this.whenEnded(caller, stored.taskIds[0], waitMs);
      if (watch && (await endsWithin(watch, waitMs))) return await this.tasks.present(caller, task.id);
      return presentTask(asStored(task, stored.createdAt, dto.input), NO_HISTORY, stored.documents);
    } finally {
      watch?.stop();
    }
  }

  /**
   * Writes a task that repeats a failed one, whose id serves as the key: a task is repeated once.
   * @param before called once nothing but the balance can refuse it
   * @returns the id of the repetition, which an earlier call may have written
   * @throws AppError as `submit`
   */
  async repeat(caller: Caller, task: NewTask & { retryOf: string }, before: () => Promise<void>): Promise<string> {
    const request = ['retry', task.retryOf];
    // The space keeps it apart from keys of clients.
    const repeatable = { key: request.join(' '), request };
    return (await this.write(caller, [task], { repeatable, before })).taskIds[0];
  }

  /** Writes all of them or none. @throws AppError as `submit`; `errors` name the place in the batch */
  async submitBatch(caller: Caller, { tasks: documents }: SubmitBatchDto, key?: string): Promise<TaskBatchDto> {
    const tasks = documents.map((dto, index) =>
      atIndex(index, () => toNewTask(caller.id, checkedDto(SubmitTaskDto, dto), this.limits, this.sandbox, this.geo)),
    );
    const repeatable = key && { key, request: ['batch', documents] };
    const { createdAt, taskIds } = await this.write(caller, tasks, { repeatable, placeOf: placeInBatch });
    if (createdAt) return { items: tasks.map((task) => presentSummary(asStored(task, createdAt))) };
    const rows = await this.database.getRepository(Task).find({ where: { id: In(taskIds) }, select: SUMMARY_COLUMNS });
    const byId = new Map(rows.map((row) => [row.id, presentSummary(row)]));
    return { items: taskIds.flatMap((id) => byId.get(id) ?? []) };
  }

  /** A task as `submit` would store it, and the size of its input, bytes; nothing is written. @throws AppError `invalid` or `too_large` */
  async draft(caller: Caller, dto: SubmitTaskDto): Promise<NewTask & { inputBytes: number }> {
    const task = toNewTask(caller.id, dto, this.limits, this.sandbox, this.geo);
    assertInTime(task);
    const documents = await this.documents.namedBy([task]);
    const inputBytes = documents.get(task.inputRef ?? '')?.size ?? Buffer.byteLength(task.inputText ?? '');
    return { ...task, inputBytes };
  }

  /** @returns without `createdAt`: the tasks that an earlier submission with this key became; nothing was written */
  private async write(
    caller: Caller,
    tasks: NewTask[],
    { repeatable, placeOf, before }: WriteOptions,
  ): Promise<Stored> {
    const { idempotencyTtlMs: ttlMs } = this.limits;
    // An admin's key has no limits that concern the submitter.
    const apiKeyId = caller.id === tasks[0].userId ? caller.key?.id : undefined;
    const key = repeatable ? { key: repeatable.key, fingerprint: fingerprintOf(repeatable.request), ttlMs } : undefined;
    try {
      tasks.forEach((task, index) => assertInTime(task, placeOf?.(index)));
      // The failed task keeps the document that its retry names.
      const named = tasks.filter(({ retryOf }) => retryOf === null);
      const documents = await this.documents.namedBy(named, placeOf);
      await this.rows.admit(tasks[0].userId, tasks);
      const { outcome, marked } = await traced('task.submit', submissionSpan(tasks), () =>
        this.admission.submit(tasks, async (marked) => {
          await before?.();
          return { outcome: await this.pay({ tasks: marked, key, traceparent: traceparent(), apiKeyId }), marked };
        }),
      );
      if (outcome.end === 'account_gone') throw await this.accounts.refusal(tasks[0].userId);
      if (outcome.end === 'over_limit') {
        throw await this.spending.refusal(tasks[0].userId, apiKeyId, {
          amountMicro: sumOf(tasks),
          largestMicro: tasks.map((task) => sumOf([task])).reduce((most, one) => (one > most ? one : most)),
        });
      }
      if (outcome.end === 'unpaid') throw insufficientCredits(sumOf(tasks), outcome.availableMicro);
      if (outcome.end === 'stored') {
        for (const task of marked) if (!task.throttled) this.enqueuer.add({ taskId: task.id });
        return { createdAt: outcome.createdAt, taskIds: tasks.map(({ id }) => id), documents };
      }
    } catch (error) {
      // What was accepted before its deadline came, the queue was full, a quota was used up or an input was gone, stays accepted.
      if (!key || !(error instanceof AppError)) throw error;
      if (!(await this.submissions.earlier(tasks[0].userId, key.key, ttlMs))) throw error;
    }
    return this.earlier(tasks[0].userId, key as SubmissionKey);
  }

  private pay(submission: Submission): Promise<SubmissionOutcome> {
    const submit = () => this.submissions.submit(submission);
    return this.ledger.paying(submission.tasks[0].userId, submit, ({ end }) => end === 'unpaid');
  }

  private async earlier(userId: string, { key, fingerprint, ttlMs }: SubmissionKey): Promise<Stored> {
    const earlier = await this.submissions.earlier(userId, key, ttlMs);
    // It ran out between the two statements.
    if (!earlier) throw new AppError('conflict', 'IDEMPOTENCY_KEY_EXPIRED', 'The key has just run out: send it again.');
    if (earlier.fingerprint === fingerprint)
      return { createdAt: null, taskIds: earlier.taskIds, documents: NO_DOCUMENTS };
    throw new AppError(
      'unprocessable',
      'IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key came with another request before: choose a new key for a new request.',
    );
  }

  /** A task that is there already, as it stands when it has ended or the time is up. */
  private async whenEnded(caller: Caller, id: string, waitMs: number): Promise<TaskDto> {
    const watch = waitMs > 0 ? this.waiter.watch(id) : null;
    try {
      const task = await this.tasks.present(caller, id);
      if (!watch || isTerminal(task.status)) return task;
      return (await endsWithin(watch, waitMs)) ? await this.tasks.present(caller, id) : task;
    } finally {
      watch?.stop();
    }
  }
}

export interface SubmitOptions {
  /** `Idempotency-Key`. */
  key?: string;
  /** How long the answer may wait for the task's end, ms. */
  waitMs?: number;
}

interface Repeatable {
  key: string;
  /** What has to be the same when the key is. */
  request: unknown;
}

interface WriteOptions {
  repeatable?: Repeatable | '';
  /** Where in the request a task is, such as `tasks.17.` */
  placeOf?: (index: number) => string;
  /** Called once nothing but the balance can refuse the tasks. */
  before?: () => Promise<void>;
}

interface Stored {
  /** Null for tasks that were there already. */
  createdAt: Date | null;
  taskIds: string[];
  /** Inputs of tasks that are not, by reference. */
  documents: ReadonlyMap<string, TaskDocument>;
}

const fingerprintOf = (request: unknown): string => createHash('sha256').update(stringify(request)).digest('hex');

const submissionSpan = (tasks: NewTask[]) => ({
  kind: SpanKind.PRODUCER,
  attributes: { 'zerostate.tasks': tasks.length, 'zerostate.task.id': tasks.length === 1 ? tasks[0].id : undefined },
});

const sumOf = (tasks: NewTask[]): bigint =>
  tasks.reduce((sum, { budgetMicro, maxHostCostMicro }) => sum + budgetMicro + maxHostCostMicro, 0n);

const endsWithin = ({ ended }: Watch, ms: number): Promise<boolean> =>
  inTime(
    ended.then(() => true),
    ms,
    () => false,
  );

const placeInBatch = (index: number): string => `tasks.${index}.`;

/** Makes the fields of a mistake say which task of the batch has it. */
function atIndex<T>(index: number, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const errors = error.errors?.map(({ field, message }) => ({
      field: field === '' ? `tasks.${index}` : `${placeInBatch(index)}${field}`,
      message,
    }));
    const detail = errors ? error.message : `tasks.${index}: ${error.message}`;
    throw new AppError(error.kind, error.code, detail, { errors });
  }
}

const NO_HISTORY = { attempts: [], question: null };
