/** The dependency that is away or cannot serve now. */
export type Outage = 'database' | 'queue' | 'store';

/**
 * Tells an outage, which passes by itself, from a fault. Only this file knows how outages look: SQLSTATE codes of
 * PostgreSQL, replies of Redis, system errors, and messages of drivers that have no code.
 * @returns what is away; undefined for anything else
 */
export function outageOf(error: unknown): Outage | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (error.name === 'ReplyError') return REDIS_REPLY.test(error.message) ? 'queue' : undefined;
  if (REDIS_CLIENT.test(error.message)) return 'queue';
  if (DATABASE_CLIENT.test(error.message)) return 'database';
  if (typeof code !== 'string') return undefined;
  if (SQLSTATE.test(code) && DATABASE.test(code)) return 'database';
  // The clients of stores and Redis identify themselves; a bare network error comes from PostgreSQL.
  if (NETWORK.has(code)) return 'database';
  return LOCAL.has(code) ? 'store' : undefined;
}

export const isOutage = (error: unknown): boolean => outageOf(error) !== undefined;

/**
 * Whether PostgreSQL rolled back a transaction only because of concurrent ones: a deadlock or a serialisation failure.
 * Nothing was written, and a retry may succeed.
 */
export const isContention = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === '40P01' || code === '40001';
};

/** Whether a write found a disk full, or its quota used up: this machine's disk, or PostgreSQL's. */
export const isDiskFull = (error: unknown): boolean => FULL.has(codeOf(error));

/** Whether PostgreSQL refused a statement because its role lacks a right, or may use no schema at all. */
export const lacksPrivilege = (error: unknown): boolean => LACKS_PRIVILEGE.has(codeOf(error));

/** Whether PostgreSQL takes no writes: a standby, or `default_transaction_read_only`. */
export const takesNoWrites = (error: unknown): boolean => codeOf(error) === READ_ONLY;

const codeOf = (error: unknown): unknown => (error instanceof Error ? (error as { code?: unknown }).code : undefined);

const LACKS_PRIVILEGE = new Set<unknown>(['42501', '3F000']);
const READ_ONLY = '25006';
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', '53100']);
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Connection lost, out of resources, stopped by an operator, system error, or a primary that became a standby. */
const DATABASE = /^(08...|53...|57...|58...|25006)$/;
/** Messages of `pg` and its pool that have no code. */
const DATABASE_CLIENT =
  /^(Connection terminated|Client (has encountered a connection error|was closed) and is not queryable|timeout expired$|timeout exceeded when trying to connect|Query read timeout)/;
/** Loading, failing over, out of memory, or unable to write its disk. */
const REDIS_REPLY = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|OOM|MISCONF|NOREPLICAS|UNBLOCKED) /;
/** Messages of `ioredis` that have no code. */
const REDIS_CLIENT =
  /^(Connection is closed\.$|Command timed out$|Stream isn't writeable|Reached the max retries per request limit)/;
const NETWORK = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
/** A full, broken or read-only disk, or no file descriptor left. */
const LOCAL = new Set(['EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOSPC', 'EROFS']);
