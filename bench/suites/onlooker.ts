import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.js';
import { cpuTime } from '../support/cpu.js';
import { startInstallation, UNBOUNDED } from '../support/installation.js';
import { bombard, times } from '../support/load.js';
import { inDatabase } from '../support/postgres.js';
import { allCompleted } from '../support/progress.js';
import type { Backend } from '../support/services.js';

const CONNECTIONS = 64;
const IDLE_MS = 3000;

/**
 * What a task costs an API process that nobody talks to: each follows the whole feed. What it uses when nothing happens is
 * taken off. And what processes hold of PostgreSQL.
 */
export async function onlooker(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api,worker', 'api'], env: UNBOUNDED });
  const { url, submission, databaseUrl, pids } = installation;
  const { rounds, tasks } = bench.scale;
  const cpuMs: number[] = [];
  const connections: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const idle = await cpuOf(pids[1], () => pause(IDLE_MS));
    const used = await cpuOf(pids[1], async () => {
      await bombard(url, CONNECTIONS, submission, 202, times(tasks));
      await allCompleted(databaseUrl, (round + 1) * tasks);
    });
    if (round === 0 || !idle || !used) continue; // the first one warms up
    cpuMs.push((used.cpuMs - idle.cpuMs * (used.tookMs / idle.tookMs)) / tasks);
    connections.push(await connectionsTo(databaseUrl));
  }
  await installation.stop();
  const common = { suite: 'onlooker', backend };
  return {
    figures: [
      ...(cpuMs.length > 0
        ? [
            {
              ...common,
              name: 'CPU of an API process that only looks on, of one task',
              unit: 'ms' as const,
              ours: cpuMs,
            },
          ]
        : []),
      {
        ...common,
        name: 'connections to PostgreSQL, one process with both roles and one looking on',
        unit: 'connections',
        ours: connections,
      },
    ],
    costs: [],
  };
}

/** What a process uses while something happens; undefined where there is no `/proc`. */
async function cpuOf(
  pid: number,
  work: () => Promise<unknown>,
): Promise<{ cpuMs: number; tookMs: number } | undefined> {
  const [before, begun] = [cpuTime(pid)?.ownMs, performance.now()];
  await work();
  const after = cpuTime(pid)?.ownMs;
  if (before === undefined || after === undefined) return undefined;
  return { cpuMs: after - before, tookMs: performance.now() - begun };
}

/** Without the one that asks. */
const connectionsTo = (databaseUrl: string): Promise<number> =>
  inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    return rows[0].count;
  });
