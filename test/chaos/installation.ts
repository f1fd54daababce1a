import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../../src/database/embedded/free-port.js';
import { serverSentEvents } from '../e2e/feed-client.js';
import type { FeedEvent } from '../e2e/agents.js';
import { api, registerUser } from '../support/client.js';
import { launchServer, type ServerProcess } from '../support/server-process.js';
import { publishAgents } from './plan.js';
import { ProcessWatch } from './processes.js';
import { type BreakablePostgres, type BreakableRedis, startPostgres, startRedis } from './services.js';

export type Backend = 'redis' | 'postgres';

/** One server process that may be killed and comes back where it was. */
export interface Member {
  readonly name: string;
  readonly server: ServerProcess;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** One API and two workers on services of their own, all real processes, with a user and his agents. */
export interface Installation {
  backend: Backend;
  url: string;
  token: string;
  userId: string;
  postgres: BreakablePostgres;
  /** There when the queue is on it. */
  redis?: BreakableRedis;
  /** Schema of the queue on PostgreSQL, prefix of its keys on Redis. */
  queue: string;
  api: Member;
  workers: readonly Member[];
  processes: ProcessWatch;
  /** What a reader of the user's feed has been sent from the beginning, over however many connections. */
  heard: FeedEvent[];
  /** Stops what is left, in peace, but for the services. @throws Error when a server does not stop as asked */
  stopServers(): Promise<void>;
  /** Removes everything, whatever state it is in. */
  remove(): Promise<void>;
}

export interface InstallationOptions {
  backend: Backend;
  /** Where PostgreSQL keeps its data. */
  postgresFolder?: string;
  /** On top of each worker's environment, by its place. */
  workerEnv?: readonly Record<string, string>[];
}

const WORKERS = 2;
const PREFIX = 'chaos';

const living = new Set<() => Promise<void>>();

/** Removes every installation that is there, for a run that is broken off. */
export async function removeInstallations(): Promise<void> {
  await Promise.allSettled([...living].map((remove) => remove()));
}

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { backend, workerEnv = [] } = options;
  const removals: (() => Promise<unknown>)[] = [];
  const remove = async (): Promise<void> => {
    while (removals.length > 0) await removals.pop()!();
    living.delete(remove);
  };
  living.add(remove);
  try {
    const dataDir = await mkdtemp(join(tmpdir(), 'zerostate-chaos-'));
    removals.push(() => rm(dataDir, { recursive: true, force: true }));
    const postgres = await startPostgres(options.postgresFolder);
    removals.push(() => postgres.stop());
    const redis = backend === 'redis' ? await startRedis() : undefined;
    if (redis) removals.push(() => redis.stop());
    const processes = new ProcessWatch();
    removals.push(async () => processes.stop());
    const env = {
      DATABASE_URL: postgres.url,
      DATA_DIR: dataDir,
      JWT_SECRET: 'the same for every process of this installation',
      ACCESS_TOKEN_TTL: '86400',
      SWEEP_INTERVAL_MS: '1000',
      SANDBOX_SLOTS: '2',
      QUEUE_PREFIX: PREFIX,
      LOG_LEVEL: 'warn',
      ...(redis && { REDIS_URL: redis.url }),
    };
    const member = async (name: string, roles: ('api' | 'worker')[], own: Record<string, string>): Promise<Member> => {
      const started = await startMember(name, roles, { ...env, ...own }, processes);
      removals.push(() => started.kill());
      return started;
    };
    const [front, ...workers] = await Promise.all([
      member('api', ['api'], { PORT: String(await freePort()) }),
      ...Array.from({ length: WORKERS }, (_, place) =>
        member(`worker-${place + 1}`, ['worker'], workerEnv[place] ?? {}),
      ),
    ]);
    const { url } = front.server;
    const { token } = await registerUser(url);
    // Tasks of an owner for its own agents would not count in their statistics.
    await publishAgents(url, (await registerUser(url)).token);
    const feed = followFeed(url, token);
    removals.push(feed.stop);
    const userId = (await api(url).get('/auth/me', { token })).body.id as string;
    return {
      backend,
      url,
      token,
      userId,
      postgres,
      redis,
      queue: redis ? PREFIX : `${PREFIX}_queue`,
      api: front,
      workers,
      processes,
      heard: feed.heard,
      async stopServers() {
        await feed.stop();
        const outcomes = await Promise.allSettled([front, ...workers].map(({ server }) => server.stop()));
        for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      },
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function startMember(
  name: string,
  roles: ('api' | 'worker')[],
  env: Record<string, string>,
  processes: ProcessWatch,
): Promise<Member> {
  const launch = async (): Promise<ServerProcess> => {
    // What it needs may still be coming back: a supervisor tries again too.
    for (let tries = 1; ; tries++) {
      try {
        const server = await launchServer({ roles, env });
        processes.watch(server.pid);
        return server;
      } catch (error) {
        if (tries === STARTS) throw error;
      }
    }
  };
  let server = await launch();
  return {
    name,
    get server() {
      return server;
    },
    async kill() {
      processes.look();
      if (server.alive) await server.kill('SIGKILL');
    },
    async start() {
      server = await launch();
    },
  };
}

const STARTS = 5;
const CONNECT_AGAIN_MS = 250;

/** Reads the user's feed as a stream, and after each break goes on behind the last event it has. */
function followFeed(url: string, token: string) {
  const heard: FeedEvent[] = [];
  const leaving = new AbortController();
  const reading = (async () => {
    while (!leaving.signal.aborted) {
      const headers = {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream',
        'last-event-id': String(heard.at(-1)?.seq ?? 0),
      };
      try {
        const response = await fetch(`${url}/api/v1/events`, { headers, signal: leaving.signal });
        if (response.ok) for await (const event of serverSentEvents(response)) heard.push(event);
      } catch {
        // The connection broke.
      }
      await pause(CONNECT_AGAIN_MS);
    }
  })();
  return {
    heard,
    stop: async () => {
      leaving.abort();
      await reading;
    },
  };
}
