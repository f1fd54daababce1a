import { randomInt } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { outageLog } from '../observability/index.js';
import { PRESENCE_LOCKS } from './advisory-locks.js';
import { LongLivedSession } from './long-lived-session.js';

/**
 * Shows other processes that this one is alive: a PostgreSQL session that holds an advisory lock on its own number. When the
 * process ends, the kernel closes the connection, and PostgreSQL releases the lock at once. A process that only hangs keeps
 * it. Nothing is renewed, so nothing can be late.
 *
 * A restart or a failover of PostgreSQL ends all sessions. Until the others have had time to come back, `trustsAbsence` is
 * false: an absent worker may be alive.
 */
export class Presence {
  /** Another one in each process, and in each life of it. */
  readonly id = randomInt(1, 2 ** 31);
  private readonly session: LongLivedSession;
  private enteredAt = Infinity;

  constructor(url: string) {
    const warnOfOutage = outageLog(new Logger('Presence'), 'others may take this process for dead');
    this.session = new LongLivedSession(
      url,
      'zerostate-presence',
      async (client) => {
        client.once('end', () => (this.enteredAt = Infinity));
        await client.query('SELECT pg_advisory_lock($1, $2)', [PRESENCE_LOCKS, this.id]);
        this.enteredAt = performance.now();
      },
      warnOfOutage,
    );
  }

  /** Resolves once others can see it. */
  enter(): Promise<void> {
    return this.session.open();
  }

  leave(): Promise<void> {
    return this.session.close();
  }

  get trustsAbsence(): boolean {
    return performance.now() - this.enteredAt > COMING_BACK_MS;
  }
}

/** SQL: whether the process of this number is there; not true for null. @param id an expression */
export const isPresent = (id: string): string => `NOT pg_try_advisory_xact_lock_shared(${PRESENCE_LOCKS}, ${id})`;

const COMING_BACK_MS = 10_000;
