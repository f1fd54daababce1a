import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { addressOf, TEMPLATE, urlOfDatabase } from './services.js';

export { urlOfDatabase };

export interface TestDatabase {
  url: string;
  /** Removes it, cutting off whoever is still connected. */
  drop(): Promise<void>;
}

/** A database of a suite's own, migrated and empty. */
export const createTestDatabase = (): Promise<TestDatabase> => create(`TEMPLATE ${TEMPLATE}`);

/**
 * A database without any table.
 * @param clause of `CREATE DATABASE`, such as an encoding
 */
export const createEmptyDatabase = (clause = ''): Promise<TestDatabase> => create(clause);

async function create(clause: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await administer(`CREATE DATABASE ${name} ${clause}`);
  return {
    url: urlOfDatabase(await addressOf('postgres'), name),
    drop: () => drop(name),
  };
}

/**
 * Not `WITH (FORCE)`: that is refused while autovacuum, whose sessions are not ours to end, is in the database. A plain
 * drop waits for it.
 */
async function drop(name: string): Promise<void> {
  await administer(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND usename = current_user`,
  );
  await administer(`DROP DATABASE ${name}`);
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client(await addressOf('postgres'));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
