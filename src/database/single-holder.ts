import { Logger } from '@nestjs/common';
import type pg from 'pg';
import { outageLog } from '../observability/index.js';
import { LongLivedSession } from './long-lived-session.js';

/** PostgreSQL ends the session of a holder that is silent for this long, ms. Another process then becomes the holder. */
const SILENT_MS = 5000;
/** The longest time that a live holder stays silent, ms. */
const HEARTBEAT_MS = 1000;

/**
 * A lock for work that one process of an installation does at a time. It is an advisory lock on a session of its own. When
 * the process dies or hangs, PostgreSQL ends the session, and the next process that asks becomes the holder.
 */
export class SingleHolder {
  private readonly session: LongLivedSession;
  private client: pg.Client | null = null;
  private isMine = false;
  private spokeAt = 0;

  /** @param lock number of the advisory lock */
  constructor(
    url: string,
    private readonly lock: number,
  ) {
    this.session = new LongLivedSession(
      url,
      'zerostate-holder',
      async (client) => {
        client.once('end', () => {
          this.client = null;
          this.isMine = false;
        });
        await client.query(`SET idle_session_timeout = ${SILENT_MS}`);
        this.client = client;
      },
      outageLog(new Logger('SingleHolder'), 'another process may do this one’s work'),
    );
  }

  open(): Promise<void> {
    return this.session.open();
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /**
   * Whether this process is the holder. It becomes the holder when no other process is. Ask several times within
   * `SILENT_MS`, or the session ends.
   * @throws Error when the session broke
   */
  async isHolder(): Promise<boolean> {
    const { client } = this;
    if (!client) return false;
    if (this.isMine && performance.now() - this.spokeAt < HEARTBEAT_MS) return true;
    const text = this.isMine ? 'SELECT true AS mine' : 'SELECT pg_try_advisory_lock($1) AS mine';
    const { rows } = await client.query<{ mine: boolean }>(text, this.isMine ? [] : [this.lock]);
    this.spokeAt = performance.now();
    this.isMine = rows[0].mine && this.client === client;
    return this.isMine;
  }
}
