import { setTimeout as pause } from 'node:timers/promises';
import { api, expectStatus } from '../../test/support/client.js';
import type { Installation } from './installation.js';
import { inDatabase } from './postgres.js';

const POLL_MS = 100;
/** Where milliseconds are to be told. */
const FINE_POLL_MS = 20;
const STALLED_MS = 30_000;

/**
 * Waits until `expected` tasks are in the database and all of them have completed.
 * @returns when the last one did, ms since the epoch
 * @throws Error when one ends otherwise, or nothing moves for long
 */
export function allCompleted(databaseUrl: string, expected: number): Promise<number> {
  return inDatabase(databaseUrl, async (client) => {
    let completed = -1;
    for (let moved = Date.now(); Date.now() - moved < STALLED_MS; await pause(POLL_MS)) {
      const { rows } = await client.query<{ completed: number; failed: number; last: Date }>(COUNT);
      const [now] = rows;
      if (now.failed > 0) throw new Error(`${now.failed} tasks failed`);
      if (now.completed === expected) return now.last.getTime();
      if (now.completed !== completed) moved = Date.now();
      completed = now.completed;
    }
    throw new Error(`stuck: ${completed} of ${expected} tasks have completed`);
  });
}

const COUNT = `
  SELECT count(*) FILTER (WHERE status = 'completed')::int AS completed,
         count(*) FILTER (WHERE status IN ('failed', 'cancelled'))::int AS failed,
         max(completed_at) AS last
    FROM tasks`;

/**
 * Waits until every task of an installation without workers has an entry or waits for its turn. @returns how long that
 * took, ms
 */
export async function untilAllQueued({ url, adminToken, databaseUrl }: Installation): Promise<number> {
  const start = performance.now();
  const tasks = await inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM tasks');
    return rows[0].count;
  });
  for (; ; await pause(FINE_POLL_MS)) {
    const answer = await api(url).get<{ waiting: number; held: number }>('/queue/stats', { token: adminToken });
    const { waiting, held } = expectStatus(answer, 200).body;
    if (waiting + held === tasks) return performance.now() - start;
    if (performance.now() - start > STALLED_MS) throw new Error(`not all of the ${tasks} tasks wait`);
  }
}
