import type { Environment } from '../config/index.js';
import { startEmbeddedPostgres } from '../database/index.js';

/**
 * Does something with the installation's database: the one in `DATABASE_URL`, or the embedded one, which runs meanwhile
 * if it does not run anyway.
 */
export async function withDatabase<T>(
  environment: Environment,
  work: (environment: Environment & { database: { url: string } }) => Promise<T>,
): Promise<T> {
  const { url } = environment.database;
  if (url) return work({ ...environment, database: { ...environment.database, url } });
  const postgres = await startEmbeddedPostgres({ dataDir: environment.server.dataDir, log: () => undefined });
  try {
    return await work({ ...environment, database: { ...environment.database, url: postgres.url } });
  } finally {
    await postgres.stop();
  }
}
