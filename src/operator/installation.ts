import type { Environment, Installation } from '../config/index.js';
import { openDatabase } from '../database/index.js';

/** Does something with an installation that need not run: an embedded database is started for the while, nothing is signed. */
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

/** An installation in which nothing is signed, at a database. */
export const unsigned = (environment: Environment, url: string): Installation => ({
  ...environment,
  database: { ...environment.database, url },
  // Where there is none yet, the first start makes it.
  auth: { ...environment.auth, jwtSecret: environment.auth.jwtSecret ?? 'unused' },
});
