import { gauge, histogram } from '../observability/index.js';

export const statementDuration = histogram(
  'database_statement_duration_seconds',
  'Time of one hot statement, the wait for a connection included.',
  ['statement'],
);

/** What `pg.Pool` tells of itself. */
export interface PoolFigures {
  totalCount: number;
  idleCount: number;
  waitingCount: number;
}

const pools = new Map<string, PoolFigures>();

/** `hot`: the micro-batched statements; `general`: everything else. */
export function watchConnections(name: 'hot' | 'general', pool: PoolFigures): void {
  pools.set(name, pool);
  gauge('database_connections', 'Open connections, by pool and state.', ['pool', 'state'], () =>
    [...pools].flatMap(([pool, { totalCount, idleCount }]) => [
      { labels: { pool, state: 'busy' }, value: totalCount - idleCount },
      { labels: { pool, state: 'idle' }, value: idleCount },
    ]),
  );
  gauge('database_waiting_statements', 'Statements that wait for a connection.', ['pool'], () =>
    [...pools].map(([pool, { waitingCount }]) => ({ labels: { pool }, value: waitingCount })),
  );
}
