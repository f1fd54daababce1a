import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { AuthConfig, ServerConfig } from '../config/index.js';
import { EVENT_STREAM, EventLog, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import { type Caller, accountGone, accountSuspended, keyRefused, tokenExpired } from './caller.js';
import type { UserRole } from './user.entity.js';

/** How long a change may stay unknown here if its notification was lost, ms. */
const POLL_MS = 2000;
/** Clocks of processes and database may differ by so much, seconds. */
export const MARGIN = 120;

const TOLD = ['session.revoked', 'user.changed', 'api_key.revoked'] as const;
const HEEDED: ReadonlySet<string> = new Set(TOLD);

/**
 * What this process knows of access that was taken back, so that no request asks the database for it.
 *
 * An access token is believed until it expires, unless its session or its user is listed here. Only changes of the last
 * token's lifetime matter, since older ones are in every token by now, and have ended the connections that a key had opened: the
 * lists are short, and are read anew every two seconds and at once when a process rings. They hold no more than the rows say,
 * so nothing is decided by a ring. After a time in which they could not be read, what was changed meanwhile is read as well.
 */
@Injectable()
export class Revocations implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Auth'), 'revoked sessions cannot be read');
  private readonly window: number;
  private readonly serves: boolean;
  private readonly listeners = new Set<() => void>();
  private sessions = new Set<string>();
  private keys = new Set<string>();
  private users = new Map<string, ChangedUser>();
  private known = '';
  /** When the lists were last read, by the database's clock. */
  private readAt: Date | null = null;
  private reading: Promise<void> | null = null;
  private again = false;
  private stop: () => void = () => undefined;

  constructor(
    private readonly database: DataSource,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
    private readonly feed: EventLog,
    { accessTokenTtl }: AuthConfig,
    { roles }: ServerConfig,
  ) {
    this.window = accessTokenTtl + MARGIN;
    this.serves = roles.includes('api');
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.serves) return;
    await this.read();
    const unsubscribe = this.stream.subscribe(({ signals }) => {
      if (signals.some(({ type }) => HEEDED.has(type))) void this.refresh().catch(this.warnOfOutage);
    });
    const clock = setInterval(() => void this.refresh().catch(this.warnOfOutage), POLL_MS);
    this.stop = () => {
      clearInterval(clock);
      unsubscribe();
    };
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  /**
   * The caller as it may act now: with its present role.
   * @throws AppError `unauthorised` `TOKEN_EXPIRED`, `API_KEY_INVALID` or `SESSION_REVOKED`; `forbidden` `ACCOUNT_SUSPENDED`
   */
  admit(caller: Caller): Caller {
    if (caller.expiresAt <= Date.now()) throw caller.key ? keyRefused() : tokenExpired();
    if (caller.key && this.keys.has(caller.key.id)) throw keyRefused();
    const changed = this.users.get(caller.id);
    if (changed?.deleted) throw accountGone();
    if (changed?.suspended) throw accountSuspended(changed.reason);
    if (caller.sessionId && this.sessions.has(caller.sessionId)) {
      throw new AppError('unauthorised', 'SESSION_REVOKED', 'This session has been ended: log in again.');
    }
    if (!changed) return caller;
    const limited = caller.key && !caller.key.scopes.includes('admin');
    return { ...caller, role: limited ? 'user' : changed.role };
  }

  /** Calls whenever somebody's access may have changed. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Applies a committed change here before it is answered, and notifies the other processes. */
  async tell(type: (typeof TOLD)[number], id: string): Promise<void> {
    this.feed.signal(type, id);
    await this.refresh();
  }

  /** Resolves once changes committed before the call are known here. */
  private async refresh(): Promise<void> {
    if (!this.reading) return (this.reading = this.read().finally(() => (this.reading = null)));
    // What is being read may have begun before that commit: read once more afterwards, for all who came meanwhile.
    this.again = true;
    await this.reading.catch(() => undefined);
    if (this.again) {
      this.again = false;
      await this.refresh();
    } else await this.reading;
  }

  private async read(): Promise<void> {
    // `least` ignores the NULL of the first time.
    const since = `least(now(), $2::timestamptz) - $1 * interval '1 second'`;
    const span = [this.window, this.readAt];
    const [[{ at }], sessions, keys, users] = await Promise.all([
      this.database.query<{ at: Date }[]>('SELECT now() AS at'),
      this.database.query<{ id: string }[]>(`SELECT id FROM sessions WHERE revoked_at > ${since}`, span),
      this.database.query<{ id: string }[]>(`SELECT id FROM api_keys WHERE revoked_at > ${since}`, span),
      this.database.query<ChangedUser[]>(
        `SELECT id, role, suspended_at IS NOT NULL AS suspended, suspension_reason AS reason,
                deleted_at IS NOT NULL AS deleted FROM users WHERE access_changed_at > ${since}`,
        span,
      ),
    ]);
    this.readAt = at;
    this.sessions = new Set(sessions.map(({ id }) => id));
    this.keys = new Set(keys.map(({ id }) => id));
    this.users = new Map(users.map((user) => [user.id, user]));
    const known = JSON.stringify([sessions, keys, users]);
    if (known === this.known) return;
    this.known = known;
    for (const listener of this.listeners) listener();
  }
}

interface ChangedUser {
  id: string;
  role: UserRole;
  suspended: boolean;
  deleted: boolean;
  /** Why it is suspended. */
  reason: string | null;
}
