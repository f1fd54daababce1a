import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, type FindOptionsWhere, In, LessThan } from 'typeorm';
import { AccountsService, AuditTrail, type Caller, owns, roleRequired } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { isId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { RawJson, stringify } from '../common/raw-json.js';
import { inTime } from '../common/timers.js';
import { traceparent } from '../common/work-context.js';
import { AuctionConfig, type GeoConfig, SandboxConfig, TaskConfig } from '../config/index.js';
import { EventLog } from '../feed/index.js';
import { insufficientCredits, Ledger } from '../ledger/index.js';
import { SpanKind, traced } from '../observability/index.js';
import {
  type AwardOutcome,
  cancellation,
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
  TaskStore,
} from '../tasks/index.js';
import { presentSummary, presentTask } from './task.presenter.js';
import {
  type ListTasksQuery,
  type SubmitBatchDto,
  SubmitTaskDto,
  type TaskBatchDto,
  type TaskDto,
  type TaskResultDto,
  type TaskSummaryDto,
} from './task.dto.js';
import { asStored, assertInTime, toNewTask } from './to-new-task.js';
import { AdmissionControl, Enqueuer } from '../scheduling/index.js';
import { TaskReader, type TaskWithAttempts } from './task-reader.js';
import { TaskWaiter, type Watch } from './task-waiter.js';

/**
 * What a submitter may do with tasks: submit, read, cancel, retry, rate.
 *
 * Longer than most files: these acts share the checks of who may see and change a task.
 */
@Injectable()
export class TaskService {
  private readonly geo: GeoConfig;

  constructor(
    private readonly database: DataSource,
    private readonly store: TaskStore,
    private readonly submissions: Submissions,
    private readonly reader: TaskReader,
    private readonly admission: AdmissionControl,
    private readonly waiter: TaskWaiter,
    private readonly events: EventLog,
    private readonly documents: TaskDocuments,
    private readonly enqueuer: Enqueuer,
    private readonly audit: AuditTrail,
    private readonly accounts: AccountsService,
    private readonly rows: RowQuota,
    private readonly ledger: Ledger,
    private readonly limits: TaskConfig,
    private readonly sandbox: SandboxConfig,
    { geo }: AuctionConfig,
  ) {
    this.geo = geo;
  }

  /**
   * Writes the task, then queues it. The answer comes after the commit, or, where the caller would rather wait, once the task has
   * ended.
   * @throws AppError `unauthorised` `ACCOUNT_GONE`, `forbidden` `ACCOUNT_SUSPENDED` or `QUOTA_EXCEEDED` (stored bytes),
   *   `unpaid` `INSUFFICIENT_CREDITS`, `overloaded` `QUEUE_FULL`, `exhausted` `QUOTA_EXCEEDED` (waiting tasks) or `QUEUE_SHARE_EXCEEDED`,
   *   `unprocessable` `IDEMPOTENCY_KEY_REUSED`
   */
  async submit(caller: Caller, dto: SubmitTaskDto, { key, waitMs = 0 }: SubmitOptions = {}): Promise<TaskDto> {
    const task = toNewTask(caller.id, dto, this.limits, this.sandbox, this.geo);
    if (waitMs > 0) await this.waiter.ready();
    const watch = waitMs > 0 ? this.waiter.watch(task.id) : null;
    try {
      const stored = await this.write(caller, [task], key && { key, request: ['task', dto] });
      if (!stored.createdAt) return await this.whenEnded(caller, stored.taskIds[0], waitMs);
      if (watch && (await endsWithin(watch, waitMs))) return await this.present(caller, task.id);
      return presentTask(asStored(task, stored.createdAt, dto.input), [], stored.documents);
    } finally {
      watch?.stop();
    }
  }

  /** Writes all of them or none. @throws AppError as `submit`; `errors` name the place in the batch */
  async submitBatch(caller: Caller, { tasks: documents }: SubmitBatchDto, key?: string): Promise<TaskBatchDto> {
    const tasks = documents.map((dto, index) =>
      atIndex(index, () => toNewTask(caller.id, checkedDto(SubmitTaskDto, dto), this.limits, this.sandbox, this.geo)),
    );
    const repeatable = key && { key, request: ['batch', documents] };
    const { createdAt, taskIds } = await this.write(caller, tasks, repeatable, placeInBatch);
    if (createdAt) return { items: tasks.map((task) => presentSummary(asStored(task, createdAt))) };
    const rows = await this.database.getRepository(Task).find({ where: { id: In(taskIds) }, select: SUMMARY_COLUMNS });
    const byId = new Map(rows.map((row) => [row.id, presentSummary(row)]));
    return { items: taskIds.flatMap((id) => byId.get(id) ?? []) };
  }

  /** The caller's tasks, or for an admin those of one account. @throws AppError `forbidden` `ROLE_REQUIRED` */
  async list(caller: Caller, query: ListTasksQuery): Promise<Page<TaskSummaryDto>> {
    const userId = query.user_id?.toLowerCase() ?? caller.id;
    if (!owns(caller, userId)) throw roleRequired();
    await this.audit.recordRead({ type: 'tasks.listed', by: caller, subjectId: userId });
    const where: FindOptionsWhere<Task> = { userId };
    if (query.status) where.status = query.status;
    if (query.cursor) where.id = LessThan(query.cursor);
    const tasks = await this.database.getRepository(Task).find({
      where,
      order: { id: 'DESC' },
      take: query.limit + 1,
      // Documents may be megabytes each: lists leave them out.
      select: SUMMARY_COLUMNS,
    });
    return toPage(tasks, query.limit, presentSummary);
  }

  async get(caller: Caller, id: string): Promise<TaskDto> {
    await this.looked(caller, id, 'task');
    return this.present(caller, id);
  }

  private async present(caller: Caller, id: string): Promise<TaskDto> {
    const { task, attempts } = await this.read(caller, id);
    const documents = await this.documents.of(task);
    return presentTask({ ...task, result: await this.documents.resultOf(task, documents) }, attempts, documents);
  }

  /** How a task stands and what came out, without its history; or the document that came out. */
  async result(caller: Caller, id: string): Promise<TaskResultDto | TaskDocument> {
    const task = await this.looked(caller, id, 'result');
    if (task.resultRef && task.resultByRef) return this.documents.get(task.userId, task.resultRef);
    const { status, error, cost } = presentSummary(task);
    return { id, status, result: await this.documents.resultOf(task, await this.documents.of(task)), error, cost };
  }

  /** The input of a task: the value in its row, or the document. */
  async input(caller: Caller, id: string): Promise<RawJson | TaskDocument> {
    const task = await this.looked(caller, id, 'input');
    return task.input ?? this.documents.get(task.userId, task.inputRef as string);
  }

  /**
   * A task for someone who is about to read it or its events. An admin's look at somebody else's is in the audit trail.
   * @throws AppError as `owned`
   */
  async looked(caller: Caller, id: string, at: 'task' | 'result' | 'input' | 'auction' | 'events'): Promise<Task> {
    const task = await this.owned(caller, id);
    await this.audit.recordRead({
      type: 'task.read',
      by: caller,
      subjectId: task.userId,
      details: { task_id: task.id, what: at },
    });
    return task;
  }

  /** @throws AppError `not_found` for an unknown task and for somebody else's */
  private async owned(caller: Caller, id: string): Promise<Task> {
    return (await this.read(caller, id)).task;
  }

  /** A task as `submit` would store it, and the size of its input, bytes; nothing is written. @throws AppError `invalid` or `too_large` */
  async draft(caller: Caller, dto: SubmitTaskDto): Promise<NewTask & { inputBytes: number }> {
    const task = toNewTask(caller.id, dto, this.limits, this.sandbox, this.geo);
    assertInTime(task);
    const documents = await this.documents.namedBy([task]);
    const inputBytes = documents.get(task.inputRef ?? '')?.size ?? Buffer.byteLength(task.inputText ?? '');
    return { ...task, inputBytes };
  }

  /** Ends a task that has not ended. Whoever runs it is told by the feed and kills the sandbox. */
  async cancel(caller: Caller, id: string): Promise<TaskDto> {
    let task = await this.notEnded(caller, id);
    const entry = { type: 'task.cancelled', by: caller, subjectId: task.userId, details: { task_id: id } } as const;
    await this.audit.recordForOthers(entry);
    while (!(await this.cancelAsRead(caller, task))) task = await this.notEnded(caller, id);
    await this.enqueuer.remove(id);
    return this.present(caller, id);
  }

  /** @throws AppError `not_found`; `conflict` `ALREADY_ENDED` */
  private async notEnded(caller: Caller, id: string): Promise<Task> {
    const task = await this.owned(caller, id);
    if (!isTerminal(task.status)) return task;
    throw new AppError('conflict', 'ALREADY_ENDED', `The task is ${task.status} already.`);
  }

  /**
   * @returns false when it is no longer as it was read: one that was awarded in between has an attempt to end and an owner to tell,
   *   which a statement that began before that award does not see
   */
  private cancelAsRead(by: Caller, { id, userId, attempt, agentId, shareLogs, traceparent }: Task): Promise<boolean> {
    const who = by.id === userId ? 'the submitter' : 'an administrator';
    const error = { code: 'CANCELLED', message: `Cancelled by ${who}.` };
    return traced('task.cancel', { linkTo: traceparent }, () =>
      this.store.transition(cancellation({ id, attempt, agentId, shareLogs }, error)),
    );
  }

  /**
   * Queues a failed task once more, for every agent anew.
   * @throws AppError `conflict` `NOT_RETRYABLE`, and about room and credits as `submit`
   */
  async retry(caller: Caller, id: string): Promise<TaskDto> {
    await this.requeueFailed(caller, id, ({ userId }) => {
      const entry = { type: 'task.retried', by: caller, subjectId: userId, details: { task_id: id } } as const;
      return this.audit.recordForOthers(entry);
    });
    return this.present(caller, id);
  }

  /** The same, for whoever does not want to see it. @param before is called once nothing refuses it @throws AppError as `retry` */
  async requeueFailed(caller: Caller, id: string, before?: (task: Task) => Promise<void>): Promise<void> {
    const task = await this.owned(caller, id);
    const late = task.deadline !== null && task.deadline.getTime() <= Date.now();
    if (late) throw notRetryable('Its deadline has passed: submit it anew.');
    const outcome =
      task.status === 'failed' &&
      (await this.admission.readmit(task, async () => {
        await before?.(task);
        return traced('task.retry', { linkTo: task.traceparent }, () => this.holdAndQueue(task));
      }));
    if (outcome === 'unpaid') {
      const { availableMicro } = await this.ledger.balanceOf(task.userId);
      throw insufficientCredits(task.budgetMicro, availableMicro);
    }
    if (outcome !== 'changed') throw notRetryable('Only a failed task can be retried.');
  }

  private holdAndQueue({ id, userId, attempt }: Task): Promise<AwardOutcome> {
    const event = { type: 'task.requeued', data: { status: 'queued', reason: 'retry' } } as const;
    const retry = () => this.store.retry({ taskId: id, to: 'queued', from: ['failed'], attempt, event });
    return this.ledger.paying(userId, retry, (outcome) => outcome === 'unpaid');
  }

  /** The submitter's verdict on a completed task, once; it moves the agent's rating. */
  async rate(caller: Caller, id: string, rating: number): Promise<TaskDto> {
    const task = await this.owned(caller, id);
    const notice = await this.database.transaction(async (transaction) => {
      const { affected } = await transaction
        .createQueryBuilder()
        .update(Task)
        .set({ rating })
        .where(`id = :id AND status = 'completed' AND rating IS NULL`, { id })
        .execute();
      if (affected === 0) {
        throw new AppError('conflict', 'NOT_RATEABLE', 'Only a completed task can be rated, and only once.');
      }
      const details = { task_id: id, rating };
      await this.audit.recordForOthers(
        { type: 'task.rated', by: caller, subjectId: task.userId, details },
        transaction,
      );
      const data = { rating, agent_id: task.agentId, share_logs: task.shareLogs };
      const agent_owner_id = await ownerOf(transaction, task.agentId);
      return this.events.append(transaction, [
        { type: 'task.rated', task_id: id, user_id: task.userId, agent_owner_id, data },
      ]);
    });
    this.events.announce(notice);
    return this.present(caller, id);
  }

  private async read(caller: Caller, id: string): Promise<TaskWithAttempts> {
    const read = isId(id) ? await this.reader.read(id.toLowerCase()) : null;
    if (!read || !owns(caller, read.task.userId)) throw notFound('task');
    return read;
  }

  /**
   * @param placeOf where in the request a task is, such as `tasks.17.`
   * @returns without `createdAt`: the tasks that an earlier submission with this key became; nothing was written
   */
  private async write(
    caller: Caller,
    tasks: NewTask[],
    repeatable: Repeatable | '' | undefined,
    placeOf?: (index: number) => string,
  ): Promise<Stored> {
    const { idempotencyTtlMs: ttlMs } = this.limits;
    const key = repeatable ? { key: repeatable.key, fingerprint: fingerprintOf(repeatable.request), ttlMs } : undefined;
    try {
      tasks.forEach((task, index) => assertInTime(task, placeOf?.(index)));
      const documents = await this.documents.namedBy(tasks, placeOf);
      await this.rows.admit(tasks[0].userId, tasks);
      const { outcome, marked } = await traced('task.submit', submissionSpan(tasks), () =>
        this.admission.submit(tasks, async (marked) => ({
          outcome: await this.pay({ tasks: marked, key, traceparent: traceparent(), apiKeyId: caller.key?.id }),
          marked,
        })),
      );
      if (outcome.end === 'account_gone') throw await this.accounts.refusal(tasks[0].userId);
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
      const task = await this.present(caller, id);
      if (!watch || isTerminal(task.status)) return task;
      return (await endsWithin(watch, waitMs)) ? await this.present(caller, id) : task;
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

const sumOf = (tasks: NewTask[]): bigint => tasks.reduce((sum, { budgetMicro }) => sum + budgetMicro, 0n);

const notRetryable = (detail: string): AppError => new AppError('conflict', 'NOT_RETRYABLE', detail);

const endsWithin = ({ ended }: Watch, ms: number): Promise<boolean> =>
  inTime(
    ended.then(() => true),
    ms,
    () => false,
  );

/** By the agents' table itself, of which this module knows no entity. */
async function ownerOf(transaction: EntityManager, agentId: string | null): Promise<string | null> {
  const text = 'SELECT owner_id FROM agents WHERE id = $1';
  const [agent] = await transaction.query<{ owner_id: string }[]>(text, [agentId]);
  return agent?.owner_id ?? null;
}

const placeInBatch = (index: number): string => `tasks.${index}.`;

/** Says of a mistake in which task of the batch it is. */
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

const SUMMARY_COLUMNS = {
  id: true,
  status: true,
  requiredCapabilities: true,
  budgetMicro: true,
  priority: true,
  description: true,
  timeoutMs: true,
  runAt: true,
  deadline: true,
  agentId: true,
  version: true,
  error: true,
  costMicro: true,
  rating: true,
  createdAt: true,
  startedAt: true,
  completedAt: true,
} as const;
