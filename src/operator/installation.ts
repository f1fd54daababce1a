import type { Environment, Installation } from '../config/index.js';
import { openDatabase } from '../database/index.js';

/**
 * Works on an installation that need not run: a stopped embedded database is started temporarily, and nothing is
 * signed.
 */
export async function withInstallation<T>(
  environment: Environment,
  work: (installation: Installation) => Promise<T>,
): Promise<T> {
  const { url, stop } = await openDatabase(environment, () => undefined);
  try {
    return await work(unsigned(environment, url));
  } finally {
    await stop();
  }
}

/** An installation at a database. It cannot sign anything. */
export const unsigned = (environment: Environment, url: string): Installation => ({
  ...environment,
  database: { ...environment.database, url },
  // If there is none yet, the first start makes it.
  auth: { ...environment.auth, jwtSecret: environment.auth.jwtSecret ?? 'unused' },
});
