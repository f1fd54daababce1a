import { randomInt } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { outageLog } from '../observability/index.js';
import { PRESENCE_LOCKS } from './advisory-locks.js';
import { LongLivedSession } from './long-lived-session.js';

/**
 * By what others tell that this process is alive: a session of PostgreSQL's that holds an advisory lock on a number of its own. The
 * kernel closes the connection however the process ends, and PostgreSQL lets the lock go at once; a process that only
 * hangs, its event loop blocked or itself stopped, keeps it. Nothing is renewed, so nothing can be late.
 *
 * What takes all sessions away (a restart of PostgreSQL, a failover) takes this one too: until the others have had the time to
 * come back, `trustsAbsence` says that nobody's absence means anything.
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
