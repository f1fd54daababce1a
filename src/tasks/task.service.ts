import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { DataSource, type FindOptionsWhere, LessThan } from 'typeorm';
import { accountGone, type Caller, owns } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { isId, newId } from '../common/ids.js';
import { hasInfinity, isDeeperThan } from '../common/json.js';
import { parseAmount } from '../common/money.js';
import { type Page, toPage } from '../common/pagination.js';
import type { Environment, SandboxConfig, TaskConfig } from '../config/index.js';
import { MicroBatcher } from '../database/index.js';
import { EventLog } from '../feed/index.js';
import { type QueueEntry, TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { AuctionRecord } from './auction-record.entity.js';
import { TaskAttempt } from './task-attempt.entity.js';
import { presentNewTask, presentSummary, presentTask } from './task.presenter.js';
import type { ScoreboardDto } from './scoreboard.dto.js';
import type { ListTasksQuery, SubmitTaskDto, TaskDto, TaskResultDto, TaskSummaryDto } from './task.dto.js';
import { Task, type TaskLimits } from './task.entity.js';
import { type NewTask, TaskStore } from './task-store.js';

/** What a submitter may do with tasks. */
@Injectable()
export class TaskService implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Tasks');
  private readonly limits: TaskConfig;
  private readonly sandbox: SandboxConfig;
  private readonly entries: MicroBatcher<QueueEntry, void>;

  constructor(
    private readonly database: DataSource,
    private readonly store: TaskStore,
    private readonly events: EventLog,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    config: ConfigService<Environment, true>,
  ) {
    this.limits = config.get('tasks', { infer: true });
    this.sandbox = config.get('sandbox', { infer: true });
    this.entries = new MicroBatcher<QueueEntry, void>(
      async (entries) => {
        await queue.add(entries);
        return [];
      },
      { maxItems: 200, maxBytes: Infinity, bytesOf: () => 0 },
    );
  }

  /** Writes the task, then queues it. The answer comes after the commit. @throws AppError `unauthorised` `ACCOUNT_GONE` */
  async submit(caller: Caller, dto: SubmitTaskDto): Promise<TaskDto> {
    const task = this.toNewTask(caller, dto);
    const createdAt = await this.store.submit(task);
    if (!createdAt) throw accountGone();
    this.enqueue({ taskId: task.id, priority: task.priority });
    return presentNewTask(task, dto.input, createdAt);
  }

  async list(caller: Caller, query: ListTasksQuery): Promise<Page<TaskSummaryDto>> {
    const where: FindOptionsWhere<Task> = { userId: caller.id };
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
    const task = await this.owned(caller, id);
    const attempts = await this.database.getRepository(TaskAttempt).find({
      where: { taskId: id },
      order: { ordinal: 'ASC' },
    });
    return presentTask(task, attempts);
  }

  /** How a task stands and what came out, without its history. */
  async result(caller: Caller, id: string): Promise<TaskResultDto> {
    const task = await this.owned(caller, id);
    const { status, error, cost } = presentSummary(task);
    return { id, status, result: task.result, error, cost };
  }

  /** @throws AppError `not_found` for an unknown task and for somebody else's */
  async owned(caller: Caller, id: string): Promise<Task> {
    const task = isId(id) ? await this.database.getRepository(Task).findOneBy({ id }) : null;
    if (!task || !owns(caller, task.userId)) throw notFound('task');
    return task;
  }

  /** @throws AppError `not_found` also before the auction */
  async scoreboard(caller: Caller, id: string): Promise<ScoreboardDto> {
    await this.owned(caller, id);
    const record = await this.database.getRepository(AuctionRecord).findOneBy({ taskId: id });
    if (!record) throw new AppError('not_found', 'NO_AUCTION_YET', 'This task has not been auctioned yet.');
    return record.scoreboard;
  }

  /** Ends a task that has not ended. Whoever runs it is told by the feed and kills the sandbox. */
  async cancel(caller: Caller, id: string): Promise<TaskDto> {
    const task = await this.owned(caller, id);
    const cancelled = await this.store.transition({
      taskId: id,
      to: 'cancelled',
      ended: { outcome: 'cancelled', error: null, metering: null },
      error: { code: 'CANCELLED', message: 'Cancelled by the submitter.' },
      event: { type: 'task.cancelled', data: { status: 'cancelled', agent_id: task.agentId } },
    });
    if (!cancelled) {
      const { status } = await this.owned(caller, id);
      throw new AppError('conflict', 'ALREADY_ENDED', `The task is ${status} already.`);
    }
    await this.queue.remove(id).catch((error: Error) => this.logger.warn(`entry of ${id} stays: ${error.message}`));
    return this.get(caller, id);
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
      const data = { rating, agent_id: task.agentId };
      return this.events.append(transaction, [
        { type: 'task.rated', task_id: id, user_id: task.userId, agent_owner_id: null, data },
      ]);
    });
    this.events.announce(notice);
    return this.get(caller, id);
  }

  /** Puts tasks back whose entry may be lost; adding one that is still there changes nothing. */
  requeue(entries: QueueEntry[]): void {
    for (const entry of entries) this.enqueue(entry);
  }

  /** Finishes the writes under way, so that a stop loses nothing that was answered. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.store.drain();
    await this.entries.drain();
  }

  /**
   * Adds the queue's entry without waiting for it: the row is committed and the caller's answer is true already. An
   * entry that cannot be added now is added by the sweeper.
   */
  private enqueue(entry: QueueEntry): void {
    this.entries
      .add(entry)
      .catch((error: Error) => this.logger.warn(`task ${entry.taskId} waits for the sweeper: ${error.message}`));
  }

  private toNewTask(caller: Caller, dto: SubmitTaskDto): NewTask {
    const { maxInputBytes, maxTimeoutMs, defaultTimeoutMs } = this.limits;
    if (isDeeperThan(MAX_INPUT_DEPTH, dto.input)) {
      throw malformed([{ field: 'input', message: `must not nest deeper than ${MAX_INPUT_DEPTH} levels` }]);
    }
    if (hasInfinity(dto.input)) throw malformed([{ field: 'input', message: 'a number is out of range' }]);
    const inputText = JSON.stringify(dto.input);
    if (Buffer.byteLength(inputText) > maxInputBytes) {
      throw new AppError('too_large', 'INPUT_TOO_LARGE', `The input is larger than ${maxInputBytes} bytes of JSON.`);
    }
    if (dto.timeout_ms && dto.timeout_ms > maxTimeoutMs) {
      throw malformed([{ field: 'timeout_ms', message: `must be at most ${maxTimeoutMs}` }]);
    }
    if (dto.weights && Object.values(dto.weights).every((weight) => weight === 0)) {
      throw malformed([{ field: 'weights', message: 'at least one weight must be above 0' }]);
    }
    if (dto.limits) assertWithin(this.sandbox, dto.limits);
    return {
      id: newId(),
      userId: caller.id,
      priority: dto.priority ?? 'normal',
      description: dto.description ?? null,
      requiredCapabilities: dto.required_capabilities,
      budgetMicro: parseAmount(dto.budget),
      inputText,
      weights: dto.weights ?? null,
      limits: dto.limits ?? null,
      timeoutMs: dto.timeout_ms ?? defaultTimeoutMs,
    };
  }
}

/** A task may only tighten the server's limits. @throws AppError `invalid` that names the most */
function assertWithin(server: SandboxConfig, asked: TaskLimits): void {
  if (Object.values(asked).every((value) => value === undefined || value === null)) {
    throw malformed([{ field: 'limits', message: 'must name at least one limit' }]);
  }
  const most: Required<TaskLimits> = {
    memory_mb: Math.floor(server.maxMemoryPages / PAGES_PER_MB),
    cpu_ms: server.maxCpuMs,
    output_bytes: server.maxOutputBytes,
  };
  const errors = Object.entries(most)
    .filter(([name, maximum]) => (asked[name as keyof TaskLimits] ?? 0) > maximum)
    .map(([name, maximum]) => ({ field: `limits.${name}`, message: `must be at most ${maximum}` }));
  if (errors.length > 0) throw malformed(errors);
}

const PAGES_PER_MB = 16;

/** Deeper documents overflow the parsers of agents. */
const MAX_INPUT_DEPTH = 200;

const SUMMARY_COLUMNS = {
  id: true,
  status: true,
  requiredCapabilities: true,
  budgetMicro: true,
  priority: true,
  description: true,
  timeoutMs: true,
  agentId: true,
  version: true,
  error: true,
  costMicro: true,
  rating: true,
  createdAt: true,
  startedAt: true,
  completedAt: true,
} as const;
