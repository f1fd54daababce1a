import { Injectable, Logger } from '@nestjs/common';
import { AccountsService } from '../auth/index.js';
import { Sql } from '../database/index.js';
import { cancellation, type TaskError, TaskStore, UNFINISHED_STATES } from '../tasks/index.js';
import { Enqueuer } from './enqueuer.js';

/** Tasks cancelled at a time. */
const BATCH = 500;
/** Looks at one account; what is left then is the sweep's. */
const MOST_LOOKS = 100;

/**
 * Cancels the queued and running tasks of accounts that are suspended or deleted. The request that shuts an account out does so
 * after its commit; the sweep finishes what that left undone, such as a submission that was under way.
 */
@Injectable()
export class ShutOutAccounts {
  private readonly logger = new Logger('Tasks');

  constructor(
    private readonly sql: Sql,
    private readonly store: TaskStore,
    private readonly enqueuer: Enqueuer,
    accounts: AccountsService,
  ) {
    accounts.whenShutOut((userId) =>
      this.cancelAll(userId).catch(({ message }: Error) =>
        this.logger.warn(`tasks of the account ${userId} wait for the sweep: ${message}`),
      ),
    );
  }

  /** Cancels up to one batch of tasks of all such accounts. @returns how many were cancelled */
  sweep(): Promise<number> {
    return this.cancel(null);
  }

  private async cancelAll(userId: string): Promise<void> {
    for (let looks = 0; looks < MOST_LOOKS; looks++) if ((await this.cancel(userId)) === 0) return;
  }

  private async cancel(userId: string | null): Promise<number> {
    const tasks = await this.sql.query<Row>('task-shut-out', SHUT_OUT, [userId, BATCH]);
    const cancelled = await Promise.all(
      tasks.map(async ({ id, attempt, agent_id: agentId, share_logs: shareLogs, deleted }) => {
        const [error, reason] = deleted ? DELETED : SUSPENDED;
        const done = await this.store.transition(cancellation({ id, attempt, agentId, shareLogs }, error, reason));
        if (done) await this.enqueuer.remove(id);
        return done;
      }),
    );
    return cancelled.filter(Boolean).length;
  }
}

const SUSPENDED: [TaskError, string] = [
  { code: 'ACCOUNT_SUSPENDED', message: 'Cancelled because the account of its submitter was suspended.' },
  'account_suspended',
];
const DELETED: [TaskError, string] = [
  { code: 'ACCOUNT_DELETED', message: 'Cancelled because the account of its submitter was deleted.' },
  'account_deleted',
];

interface Row {
  id: string;
  attempt: number;
  agent_id: string | null;
  share_logs: boolean;
  deleted: boolean;
}

/** Unfinished tasks are few beside all there are, and have an index. */
const SHUT_OUT = `
  SELECT tasks.id, attempt, agent_id, share_logs, deleted_at IS NOT NULL AS deleted
    FROM tasks
    JOIN users ON users.id = user_id
   WHERE status IN ${UNFINISHED_STATES} AND suspended_at IS NOT NULL AND ($1::uuid IS NULL OR user_id = $1)
   ORDER BY tasks.id
   LIMIT $2`;
