import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, type FindOptionsWhere, LessThan } from 'typeorm';
import { AuditTrail, type Caller, owns, roleRequired } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { type Page, toPage } from '../common/pagination.js';
import { RawJson } from '../common/raw-json.js';
import { EventLog } from '../feed/index.js';
import { traced } from '../observability/index.js';
import { Enqueuer } from '../scheduling/index.js';
import { cancellation, isTerminal, Task, type TaskDocument, TaskDocuments, TaskStore } from '../tasks/index.js';
import type { ListTasksQuery, TaskDto, TaskResultDto, TaskSummaryDto } from './task.dto.js';
import { presentSummary, presentTask, SUMMARY_COLUMNS } from './task.presenter.js';
import { TaskReader, type TaskWithAttempts } from './task-reader.js';

/** What a submitter may do with a task that exists: read, cancel, rate. `TaskSubmitter` writes new ones. */
@Injectable()
export class TaskService {
  constructor(
    private readonly database: DataSource,
    private readonly store: TaskStore,
    private readonly reader: TaskReader,
    private readonly events: EventLog,
    private readonly documents: TaskDocuments,
    private readonly enqueuer: Enqueuer,
    private readonly audit: AuditTrail,
  ) {}

  /** The caller's tasks, or for an admin those of one account. @throws AppError `forbidden` `ROLE_REQUIRED` */
  async list(caller: Caller, query: ListTasksQuery): Promise<Page<TaskSummaryDto>> {
    const userId = query.user_id?.toLowerCase() ?? caller.id;
    if (!owns(caller, userId)) throw roleRequired();
    await this.audit.recordRead({ type: 'tasks.listed', by: caller, subjectId: userId });
    const where: FindOptionsWhere<Task> = { userId };
    if (query.status) where.status = query.status;
    if (query.context_id) where.contextId = query.context_id;
    if (query.parent_id) where.parentId = query.parent_id.toLowerCase();
    if (query.cursor) where.id = LessThan(query.cursor);
    const tasks = await this.database.getRepository(Task).find({
      where,
      order: { id: 'DESC' },
      take: query.limit + 1,
      select: SUMMARY_COLUMNS,
    });
    return toPage(tasks, query.limit, presentSummary);
  }

  async get(caller: Caller, id: string): Promise<TaskDto> {
    await this.looked(caller, id, 'task');
    return this.present(caller, id);
  }

  /** The task and its history, for someone who has just done something to it: no audit entry. @throws as `looked` */
  async present(caller: Caller, id: string): Promise<TaskDto> {
    const { task, ...history } = await this.read(caller, id);
    const documents = await this.documents.of(task);
    return presentTask({ ...task, result: await this.documents.resultOf(task, documents) }, history, documents);
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
  async looked(
    caller: Caller,
    id: string,
    at: 'task' | 'result' | 'input' | 'auction' | 'events' | 'host_calls',
  ): Promise<Task> {
    const task = await this.owned(caller, id);
    await this.audit.recordRead({
      type: 'task.read',
      by: caller,
      subjectId: task.userId,
      details: { task_id: task.id, what: at },
    });
    return task;
  }

  /** @throws AppError `not_found` as `owned`; `forbidden` `NOT_SUBMITTER` for admins */
  async assertSubmitter(caller: Caller, id: string): Promise<void> {
    const { userId } = await this.owned(caller, id);
    if (userId === caller.id) return;
    throw new AppError('forbidden', 'NOT_SUBMITTER', 'Only the submitter of the task may answer its questions.');
  }

  /** @throws AppError `not_found` for an unknown task and for somebody else's */
  async owned(caller: Caller, id: string): Promise<Task> {
    return (await this.read(caller, id)).task;
  }

  /** Ends a task that has not ended. The feed notifies the worker that runs it, which kills the sandbox. */
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

  /** The submitter's verdict on a completed task, once; it moves the agent's rating. */
  async rate(caller: Caller, id: string, rating: number): Promise<TaskDto> {
    const task = await this.owned(caller, id);
    const notice = await this.database.transaction(async (transaction) => {
      const agent_owner_id = await ownerOf(transaction, task.agentId);
      if (agent_owner_id !== null && agent_owner_id === task.userId)
        throw new AppError(
          'conflict',
          'NOT_RATEABLE',
          'Your own agent did this task: only tasks of others can rate it.',
        );
      if (agent_owner_id !== null && task.ancestorOwners.includes(agent_owner_id))
        throw new AppError(
          'conflict',
          'NOT_RATEABLE',
          'An agent of the same owner submitted this sub-task: only tasks that others submit can rate the agent.',
        );
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
}

/** Reads the agents' table by itself: this module has no entity for it. */
async function ownerOf(transaction: EntityManager, agentId: string | null): Promise<string | null> {
  const text = 'SELECT owner_id FROM agents WHERE id = $1';
  const [agent] = await transaction.query<{ owner_id: string }[]>(text, [agentId]);
  return agent?.owner_id ?? null;
}
