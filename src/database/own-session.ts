import { Refusal } from '../common/refusal.js';
import { DatabaseClient } from './client.js';

const ROUNDS = 3;

/**
 * Makes sure that a connection keeps its session: advisory locks, LISTEN, prepared statements and settings live there.
 * A pooler in transaction mode lends one session of PostgreSQL to many connections, so two open connections meet in
 * one session, or one connection sees several.
 * @throws Refusal when sessions are shared
 */
export async function assertOwnSessions(url: string): Promise<void> {
  const clients = [new DatabaseClient(url), new DatabaseClient(url)];
  try {
    const sessions: Set<number>[] = [new Set(), new Set()];
    for (const client of clients) await client.connect();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, client] of clients.entries()) {
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        sessions[index].add(rows[0].pid);
      }
    }
    const distinct = new Set(sessions.flatMap((pids) => [...pids]));
    if (distinct.size === clients.length && sessions.every(({ size }) => size === 1)) return;
    throw new Refusal(
      'DATABASE_URL leads through a pooler that shares sessions between connections (pool_mode transaction or statement).',
      'Set pool_mode = session for this database in the pooler, or point DATABASE_URL at PostgreSQL itself.',
    );
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }
}
