import { setTimeout as pause } from 'node:timers/promises';
import { api, expectStatus, uploadAgent } from '../../test/support/client.js';
import { wat } from '../../test/support/wat.js';
import type { Bench, Report } from '../bench.js';
import { type Installation, startInstallation, TASK } from '../support/installation.js';
import { inDatabase } from '../support/postgres.js';
import type { Backend } from '../support/services.js';
import { percentile } from '../support/statistics.js';

const CANCELLATIONS = 15;
const POLL_MS = 10;
const STALLED_MS = 20_000;
const ENDLESS = `(module (memory (export "memory") 1) (func (export "_start") (loop $on (br $on))))`;

/**
 * A task that runs for ever on a worker with one sandbox, another one behind it, and an API in a process of its own that is
 * told to cancel the first: how long, by the database's clock, from the commit that cancels it until the other has the sandbox,
 * which cannot be before the agent was killed.
 */
export async function cancellation(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, {
    backend,
    processes: ['api', 'worker'],
    env: { SANDBOX_SLOTS: '1' },
  });
  const { url, token } = installation;
  expectStatus(
    await uploadAgent(url, token, 'endless', await wat(ENDLESS), { capabilities: ['endless'], price: '1' }),
    201,
  );
  const times: number[] = [];
  for (let count = 0; count < bench.scale.rounds * CANCELLATIONS; count++) times.push(await cancelOne(installation));
  await installation.stop();
  const about = { suite: 'cancellation', backend, unit: 'ms' } as const;
  return {
    figures: [
      { ...about, name: 'cancelled → its sandbox runs another task, p50', ours: [percentile(times, 0.5)] },
      {
        ...about,
        name: 'cancelled → its sandbox runs another task, p99',
        ours: [percentile(times, 0.99)],
        aim: { below: 500 },
      },
    ],
    costs: [],
  };
}

async function cancelOne({ url, token, databaseUrl }: Installation): Promise<number> {
  const submit = async (task: object): Promise<string> =>
    expectStatus(await api(url).post('/tasks', task, { token }), 202).body.id as string;
  const until = async (id: string, status: string): Promise<void> => {
    for (const start = Date.now(); ; await pause(POLL_MS)) {
      const { body } = expectStatus(await api(url).get(`/tasks/${id}`, { token }), 200);
      if (body.status === status) return;
      if (Date.now() - start > STALLED_MS) throw new Error(`task ${id} is ${body.status}, not ${status}`);
    }
  };
  const first = await submit({ ...TASK, required_capabilities: ['endless'], timeout_ms: 300_000 });
  await until(first, 'running');
  const second = await submit(TASK);
  await until(second, 'assigned');
  expectStatus(await api(url).post(`/tasks/${first}/cancel`, undefined, { token }), 200);
  await until(second, 'completed');
  return inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ ms: number }>(BETWEEN, [first, second]);
    return rows[0].ms;
  });
}

const BETWEEN = `
  SELECT (extract(epoch FROM second.started_at - first.completed_at) * 1000)::float8 AS ms
    FROM tasks AS first, tasks AS second
   WHERE first.id = $1 AND second.id = $2`;
