import type { Bench, Report } from '../bench.js';
import { cpuTime } from '../support/cpu.js';
import { startInstallation, UNBOUNDED } from '../support/installation.js';
import { bombard, times } from '../support/load.js';
import { inDatabase } from '../support/postgres.js';
import { allCompleted } from '../support/progress.js';
import type { Backend } from '../support/services.js';

const CONNECTIONS = 64;

/** What a task costs an API process that nobody talks to: each follows the whole feed. And what processes hold of PostgreSQL. */
export async function onlooker(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api,worker', 'api'], env: UNBOUNDED });
  const { url, submission, databaseUrl, pids } = installation;
  const { rounds, tasks } = bench.scale;
  const cpuMs: number[] = [];
  const connections: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = cpuTime(pids[1])?.ownMs;
    await bombard(url, CONNECTIONS, submission, 202, times(tasks));
    await allCompleted(databaseUrl, (round + 1) * tasks);
    const after = cpuTime(pids[1])?.ownMs;
    if (round === 0 || before === undefined || after === undefined) continue; // the first one warms up
    cpuMs.push((after - before) / tasks);
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

/** Without the one that asks. */
const connectionsTo = (databaseUrl: string): Promise<number> =>
  inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    return rows[0].count;
  });
