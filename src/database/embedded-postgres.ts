import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { AppError } from '../common/app-error.js';
import { LOCKS } from './advisory-locks.js';
import { DatabaseClient } from './client.js';
import { createCluster, readPassword } from './embedded/cluster.js';
import { preparePostgresHome, type PostgresHome } from './embedded/postgres-home.js';
import { findPostmaster, interrupt, launchPostmaster, logTail, type Postmaster } from './embedded/postmaster.js';

/**
 * A PostgreSQL for those who have not set `DATABASE_URL`: the binaries come from npm, the data lives below `DATA_DIR`.
 * It is durable (fsync on), listens on 127.0.0.1 only, on a free port, and asks everyone for a generated password.
 *
 * Terms: a *cluster* is one data folder with its databases, the *postmaster* the process that serves it.
 *
 * Nothing is remembered that could go stale. The postmaster writes its pid and port into the cluster itself; it runs
 * in a session of its own, so neither Ctrl-C nor the death of this process stops it, and the next start finds and
 * uses it. Who else uses it is told by PostgreSQL: every server holds a shared advisory lock on a connection of its
 * own, and the kernel closes that connection however the server ends. So several servers may share one cluster, and
 * only the last one to stop takes the postmaster down.
 */
export interface EmbeddedPostgres {
  /** `postgresql://zerostate:…@127.0.0.1:<port>/zerostate`; stays the same until `stop`. */
  url: string;
  /** Absolute path of the cluster. Not always below `dataDir`, see `postgres-home.ts`. */
  dataDir: string;
  /** Shuts PostgreSQL down (fast: open transactions are rolled back), unless another server still uses it. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The server's `DATA_DIR`, absolute. */
  dataDir: string;
  /** Takes one line for the operator. */
  log: (line: string) => void;
}

/** Covers crash recovery and the shutdown of a predecessor. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** Launches, ever further apart, after which the cause is no race for the port and no orphan of a dead postmaster. */
const MAX_LAUNCHES = 20;

/**
 * Starts PostgreSQL, or joins the one that already runs on this data. The first start takes about 1.5 s, later ones 0.1 s.
 * @throws AppError `unavailable` `EMBEDDED_POSTGRES_UNSUPPORTED` when there are no binaries for this platform, or
 *   `EMBEDDED_POSTGRES_FAILED` with the reason and the end of PostgreSQL's log
 */
export async function startEmbeddedPostgres({ dataDir, log }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const postgresHome = await preparePostgresHome(dataDir, log);
  await createCluster(postgresHome, log);
  const password = await readPassword(postgresHome);
  const urlAt = (port: number): string => `postgresql://zerostate:${password}@127.0.0.1:${port}/zerostate`;

  let stopping: Promise<void> | undefined;
  let seat = await takeSeat(postgresHome, urlAt, log);
  const { port } = seat.postmaster;
  guardSeat();

  /** The seat is lost when PostgreSQL crashes: take it again, starting PostgreSQL on the same port if it must be. */
  function guardSeat(): void {
    seat.client.once('end', () => {
      if (stopping) return;
      log('PostgreSQL went away; starting it again');
      takeSeat(postgresHome, urlAt, log, port).then(
        async (next) => {
          seat = next;
          if (stopping) await leaveSeat(seat, log);
          else guardSeat();
        },
        (error: Error) => log(`PostgreSQL did not come back: ${error.message}`),
      );
    });
  }

  return {
    url: urlAt(port),
    dataDir: postgresHome.cluster,
    // A second caller waits for the same stop, so that the process does not end before it.
    stop: () => (stopping ??= leaveSeat(seat, log)),
  };
}

/** A server's use of the postmaster: the connection that holds the shared lock. */
interface Seat {
  postmaster: Postmaster;
  client: pg.Client;
}

async function takeSeat(
  postgresHome: PostgresHome,
  urlAt: (port: number) => string,
  log: (line: string) => void,
  port?: number,
): Promise<Seat> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let launches = 0;
  let refusal = 'it is still starting up or shutting down';
  while (Date.now() < deadline) {
    const postmaster = await findPostmaster(postgresHome.cluster);
    if (!postmaster) {
      if (launches === MAX_LAUNCHES) break;
      await pause(launches++ * POLL_MS);
      await launchPostmaster(postgresHome, port);
      continue;
    }
    if (postmaster.ready) {
      const client = new DatabaseClient({ connectionString: urlAt(postmaster.port), connectionTimeoutMillis: 5000 });
      try {
        await lockShared(client);
        if (launches === 0) log(`Using the PostgreSQL that already runs on ${postgresHome.cluster}`);
        return { postmaster, client };
      } catch (error) {
        refusal = (error as Error).message;
        await client.end().catch(() => undefined);
      }
    }
    await pause(POLL_MS);
  }
  throw new AppError(
    'unavailable',
    'EMBEDDED_POSTGRES_FAILED',
    launches === MAX_LAUNCHES
      ? `The embedded PostgreSQL does not start on ${postgresHome.cluster}. Its log ends with:\n${await logTail(postgresHome)}`
      : `The embedded PostgreSQL on ${postgresHome.cluster} does not serve: ${refusal}. Its log is ${postgresHome.logFile}.`,
  );
}

/** @throws Error when PostgreSQL does not answer, or is about to be stopped by the server that holds the lock alone */
async function lockShared(client: pg.Client): Promise<void> {
  await client.connect();
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock_shared($1) AS locked', [
    LOCKS.embeddedCluster,
  ]);
  if (!rows[0].locked) throw new Error('another server is shutting it down');
}

/**
 * Gives the shared lock back and asks for it alone; whoever gets it is the last one out. In this order, of two servers
 * that leave at once at least one succeeds, and one that arrives in between fails to lock and tries again.
 */
async function leaveSeat({ postmaster, client }: Seat, log: (line: string) => void): Promise<void> {
  let last: boolean;
  try {
    await client.query('SELECT pg_advisory_unlock_shared($1)', [LOCKS.embeddedCluster]);
    const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [
      LOCKS.embeddedCluster,
    ]);
    last = rows[0].last;
  } catch {
    return; // PostgreSQL is gone already
  }
  if (!last) {
    log('Leaving PostgreSQL running: another server uses it');
    await client.end();
    return;
  }
  interrupt(postmaster);
  for (const deadline = Date.now() + STOP_TIMEOUT_MS; Date.now() < deadline; await pause(POLL_MS)) {
    if ((await findPostmaster(postmaster.cluster))?.pid !== postmaster.pid) return;
  }
  log(`PostgreSQL (pid ${postmaster.pid}) is still writing its last checkpoint; it will end by itself`);
}
