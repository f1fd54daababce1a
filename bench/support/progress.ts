import { setTimeout as pause } from 'node:timers/promises';
import { inDatabase } from './postgres.js';

const POLL_MS = 100;
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
