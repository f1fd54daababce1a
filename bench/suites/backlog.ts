import { setTimeout as pause } from 'node:timers/promises';
import { api, expectStatus, registerUser } from '../../test/support/client.js';
import type { Bench, Report } from '../bench.js';
import { type Installation, startInstallation, TASK, UNBOUNDED } from '../support/installation.js';
import { Connection, request } from '../support/load.js';
import { inDatabase } from '../support/postgres.js';
import { inRedis } from '../support/redis.js';
import type { Backend } from '../support/services.js';
import { type Figure, median, percentile } from '../support/statistics.js';
import { fillQueue } from './scale.js';

/** Tasks of low priority that wait: the first is what a worker does not finish while it is measured, and the others' peer. */
const BACKLOGS = [3000, 10_000, 100_000];
const SUBMISSIONS = 100;
const URGENT = 60;
/** Between two of them, so that none waits for another. */
const BETWEEN_MS = 30;
const WARM_UP_MS = 1000;
const MOST = 2;

/**
 * A user with urgent tasks, while ever more tasks of another wait: how long a submission takes, and, once a worker is at
 * the backlog with all its hands, how long an urgent task waits for its start; and what a waiting task takes of memory.
 */
export async function backlog(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, {
    backend,
    processes: ['api'],
    // No task rises in priority while it waits.
    env: { ...UNBOUNDED, QUEUE_AGE_STEP_MS: '86400000' },
  });
  const urgentUser = await registerUser(installation.url);
  const urgent = request('POST', installation.url, '/api/v1/tasks', urgentUser.token, {
    ...TASK,
    priority: 'critical',
  });
  const before = await memoryOf(installation);
  const levels: { submits: number[]; starts: number[] }[] = [];
  const figures: Figure[] = [];
  const figure = (name: string, unit: Figure['unit'], ours: number[], rest: Partial<Figure> = {}): void =>
    void figures.push({ suite: 'backlog', backend, name, unit, ours, ...rest });

  for (const size of BACKLOGS) {
    await fillQueue(installation, size - (await waiting(installation)));
    await untilQueued(installation);
    const memory = await memoryOf(installation);
    const submits = await submitUrgent(installation, urgent, SUBMISSIONS, 0);
    const worker = await installation.add('worker');
    await untilNoneUrgent(installation);
    await pause(WARM_UP_MS);
    await submitUrgent(installation, urgent, URGENT, BETWEEN_MS);
    await untilNoneUrgent(installation);
    const starts = await lastStarts(installation, URGENT);
    await worker.stop();
    levels.push({ submits, starts });
    const [least] = levels;
    const about = size === BACKLOGS[0] ? '' : ` (peer: ${BACKLOGS[0].toLocaleString('en')})`;
    const many = `with ${size.toLocaleString('en')} waiting`;
    const compare = (of: (level: (typeof levels)[number]) => number, share: number): Partial<Figure> =>
      about ? { peer: [of(least)], ...(share === 0.5 && { aim: { atMostOfPeer: MOST } }) } : {};
    for (const share of [0.5, 0.99]) {
      const submit = (level: typeof least): number => percentile(level.submits, share);
      const start = (level: typeof least): number => percentile(level.starts, share);
      const p = `p${share * 100}`;
      figure(`submission ${many}${about}, ${p}`, 'ms', [submit(levels.at(-1)!)], compare(submit, share));
      figure(`stored → started, urgent, ${many}${about}, ${p}`, 'ms', [start(levels.at(-1)!)], compare(start, share));
    }
    figure(`memory of the API ${many}, growth`, 'MB', [(memory.api - before.api) / 2 ** 20]);
    if (backend === 'redis')
      figure(`Redis, one of ${size.toLocaleString('en')} that wait`, 'bytes', [(memory.redis - before.redis) / size]);
  }
  await installation.stop();
  return { figures, costs: [] };
}

async function memoryOf({ memory, redisUrl }: Installation): Promise<{ api: number; redis: number }> {
  const used = redisUrl && (await inRedis(redisUrl, (client) => client.info('memory')));
  const api: number[] = [];
  for (let count = 0; count < 3; count++) api.push(await memory());
  return { api: median(api), redis: Number(/used_memory:(\d+)/.exec(used || '')?.[1] ?? 0) };
}

/** @returns how long each answer took, ms */
async function submitUrgent(
  { url }: Installation,
  urgent: string,
  count: number,
  betweenMs: number,
): Promise<number[]> {
  const connection = await Connection.open(url);
  const times: number[] = [];
  while (times.length < count) {
    const start = performance.now();
    const { status, body } = await connection.send(urgent);
    times.push(performance.now() - start);
    if (status !== 202) throw new Error(`got ${status}: ${body}`);
    if (betweenMs > 0) await pause(betweenMs);
  }
  connection.close();
  return times;
}

const waiting = ({ databaseUrl }: Installation): Promise<number> =>
  inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM tasks WHERE status = 'queued'`,
    );
    return rows[0].count;
  });

/** Entries are made after the answer. The other tasks wait for their turn. */
async function untilQueued(installation: Installation): Promise<void> {
  const { url, adminToken: token } = installation;
  const expected = await waiting(installation);
  const stats = async () =>
    expectStatus(await api(url).get<{ waiting: number; held: number }>('/queue/stats', { token }), 200).body;
  for (let polls = 0, now = await stats(); now.waiting + now.held < expected; polls++, now = await stats()) {
    if (polls > 600) throw new Error(`not all of the ${expected} tasks wait: ${JSON.stringify(now)}`);
    await pause(200);
  }
}

const untilNoneUrgent = ({ databaseUrl }: Installation): Promise<void> =>
  inDatabase(databaseUrl, async (client) => {
    for (let left = 1, polls = 0; left > 0; await pause(100)) {
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM tasks WHERE status = 'queued' AND priority = 'critical'`,
      );
      left = rows[0].count;
      if (++polls > 600) throw new Error(`${left} urgent tasks do not start`);
    }
  });

/** From the row's time to that of the start of its first run, ms. */
const lastStarts = ({ databaseUrl }: Installation, count: number): Promise<number[]> =>
  inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ ms: number }>(
      `SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS ms
         FROM tasks WHERE priority = 'critical' ORDER BY id DESC LIMIT $1`,
      [count],
    );
    return rows.map(({ ms }) => ms);
  });
