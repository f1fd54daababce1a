import type { Environment } from '../config/index.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { assertOwnSessions } from './own-session.js';
import { assertSupportedServer } from './supported-server.js';

/**
 * The database of an installation: the one in `DATABASE_URL`, or the embedded one, which is started if it does not run.
 * @returns `stop` ends what was started here, and nothing else
 * @throws Refusal when `DATABASE_URL` leads to a server that is not supported, or through a pooler that shares sessions
 */
export async function openDatabase(
  { server, database }: Environment,
  log: (line: string) => void,
): Promise<{ url: string; stop: () => Promise<void> }> {
  if (database.url) {
    await assertSupportedServer(database.url);
    await assertOwnSessions(database.url);
    return { url: database.url, stop: async () => undefined };
  }
  const postgres = await startEmbeddedPostgres({ dataDir: server.dataDir, log });
  return { url: postgres.url, stop: () => postgres.stop() };
}
