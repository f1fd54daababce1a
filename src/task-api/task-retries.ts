import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AuditTrail, type Caller } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { traced } from '../observability/index.js';
import { Task } from '../tasks/index.js';
import type { TaskDto } from './task.dto.js';
import { TaskService } from './task.service.js';
import { TaskSubmitter } from './task-submitter.js';
import { repetitionOf } from './to-new-task.js';

/** Retries of failed tasks. A retry is a new task of the same submitter, with a hold of its own. */
@Injectable()
export class TaskRetries {
  constructor(
    private readonly database: DataSource,
    private readonly tasks: TaskService,
    private readonly submitter: TaskSubmitter,
    private readonly audit: AuditTrail,
  ) {}

  /**
   * @returns the new task, or the one that an earlier retry of this task has become
   * @throws AppError `not_found`; `conflict` `NOT_RETRYABLE`; about room and credits as a submission
   */
  async retry(caller: Caller, id: string): Promise<TaskDto> {
    const retry = await this.repeat(caller, id, ({ userId }) => {
      const entry = { type: 'task.retried', by: caller, subjectId: userId, details: { task_id: id } } as const;
      return this.audit.recordForOthers(entry);
    });
    return this.tasks.present(caller, retry);
  }

  /**
   * As `retry`, without reading the new task.
   * @param before called once nothing but the balance can refuse it
   * @returns the id of the new task
   */
  async repeat(caller: Caller, id: string, before?: (task: Task) => Promise<void>): Promise<string> {
    const task = await this.tasks.owned(caller, id);
    if (task.parentId !== null) throw notRetryable('An agent submitted this sub-task: retry the task above it.');
    if (task.status !== 'failed') throw notRetryable('Only a failed task can be retried.');
    const earlier = await this.earlierRetry(task.id);
    if (earlier) return earlier;
    if (task.deadline && task.deadline.getTime() <= Date.now()) {
      throw notRetryable('Its deadline has passed: submit a new task.');
    }
    const repetition = { ...repetitionOf(task), retryOf: task.id };
    return traced('task.retry', { linkTo: task.traceparent }, () =>
      this.submitter.repeat(caller, repetition, async () => before?.(task)),
    );
  }

  private async earlierRetry(retryOf: string): Promise<string | undefined> {
    const retry = await this.database.getRepository(Task).findOne({ where: { retryOf }, select: { id: true } });
    return retry?.id;
  }
}

const notRetryable = (detail: string): AppError => new AppError('conflict', 'NOT_RETRYABLE', detail);
