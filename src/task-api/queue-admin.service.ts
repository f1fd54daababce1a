import { Inject, Injectable } from '@nestjs/common';
import { AccessTokens, AuditTrail, type Caller, DASHBOARD_LINK, OneTimeTokens } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { QUEUE_PAGE_PATH, TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import type { DashboardLinkDto, DrainedDto, DrainDto, RetriedDto, RetryFailedDto } from './queue.dto.js';
import { Enqueuer } from '../scheduling/index.js';
import { type FailedFilter, TaskBacklog, TaskStore } from '../tasks/index.js';
import { TaskRetries } from './task-retries.js';

/** How long the link to the dashboard is good, seconds. */
const LINK_TTL = 60;

/** What admins do to the queue as a whole. Each act is in the audit trail before it is done. */
@Injectable()
export class QueueAdmin {
  constructor(
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    private readonly enqueuer: Enqueuer,
    private readonly backlog: TaskBacklog,
    private readonly store: TaskStore,
    private readonly retries: TaskRetries,
    private readonly tokens: AccessTokens,
    private readonly oneTime: OneTimeTokens,
    private readonly audit: AuditTrail,
  ) {}

  async pause(by: Caller): Promise<void> {
    await this.audit.record({ type: 'queue.paused', by });
    await this.queue.pause();
  }

  async resume(by: Caller): Promise<void> {
    await this.audit.record({ type: 'queue.resumed', by });
    await this.queue.resume();
  }

  /**
   * Cancels the tasks that wait, oldest first, of everybody or of one user. What a worker takes or somebody cancels meanwhile is
   * left to them.
   * @returns how many were cancelled, and how many waited still when that was done
   */
  async drain(by: Caller, { reason, user_id: userId, limit }: DrainDto): Promise<DrainedDto> {
    const details = { reason, limit };
    await this.audit.record({ type: 'queue.drained', by, subjectId: userId, details });
    const ids = await this.backlog.queued(limit, userId);
    const cancelled = await Promise.all(ids.map((id) => this.cancel(id, reason)));
    const count = cancelled.filter(Boolean).length;
    return { cancelled: count, waiting: await this.backlog.countQueued(userId) };
  }

  /**
   * Retries failed tasks that have no retry yet, the oldest first, as their submitters could one by one: each within its
   * submitter's quota and credits, while the queue has room.
   * @returns how many new tasks there are, and how many failed tasks could still be retried
   */
  async retryFailed(by: Caller, dto: RetryFailedDto): Promise<RetriedDto> {
    const { since, error_code: errorCode, user_id: userId, limit } = dto;
    const details = { since, error_code: errorCode, limit };
    await this.audit.record({ type: 'queue.failed_retried', by, subjectId: userId, details });
    const filter: FailedFilter = { since: new Date(since), until: new Date(), errorCode, userId };
    const ids = await this.backlog.failed(limit, filter);
    const retried = await Promise.all(ids.map((id) => this.retry(by, id)));
    return { retried: retried.filter(Boolean).length, failed: await this.backlog.countFailed(filter) };
  }

  /** The address of the dashboard, with a pass for this admin that is good for one use. */
  async openDashboard(by: Caller): Promise<DashboardLinkDto> {
    await this.audit.record({ type: 'queue.dashboard_opened', by });
    const jwtid = await this.oneTime.issue('queue_dashboard', by.id, LINK_TTL);
    const pass = this.tokens.issuePass(by, DASHBOARD_LINK, { seconds: LINK_TTL, jwtid });
    return { url: `${QUEUE_PAGE_PATH}?pass=${pass}`, expires_in: LINK_TTL };
  }

  /** @returns false where the task may not be retried, or not now */
  private async retry(by: Caller, id: string): Promise<boolean> {
    try {
      await this.retries.repeat(by, id);
      return true;
    } catch (error) {
      if (error instanceof AppError) return false;
      throw error;
    }
  }

  private async cancel(taskId: string, reason: string): Promise<boolean> {
    const cancelled = await this.store.transition({
      taskId,
      to: 'cancelled',
      from: ['queued'],
      error: { code: 'DRAINED', message: `Cancelled by an administrator: ${reason}` },
      event: { type: 'task.cancelled', data: { status: 'cancelled', agent_id: null } },
    });
    if (cancelled) await this.enqueuer.remove(taskId);
    return cancelled;
  }
}
