import { Refusal } from '../common/refusal.js';
import { DatabaseClient } from './client.js';

/** PostgreSQL's `server_version_num` of the oldest supported release. */
const OLDEST = 140_000;

/**
 * Makes sure that the server can hold what is stored: documents are UTF-8, so any other encoding of the database refuses
 * or garbles a part of them.
 * @throws Refusal for too old a PostgreSQL, and for a database in another encoding
 */
export async function assertSupportedServer(url: string): Promise<void> {
  const client = new DatabaseClient(url);
  try {
    await client.connect();
    const { rows } = await client.query<{ number: number; version: string; name: string; encoding: string }>(
      `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
              current_database() AS name, current_setting('server_encoding') AS encoding`,
    );
    const [{ number, version, name, encoding }] = rows;
    if (number < OLDEST) throw new Refusal(`PostgreSQL ${version} is too old.`, 'Use PostgreSQL 14 or newer.');
    if (encoding === 'UTF8') return;
    throw new Refusal(
      `The database ${name} of DATABASE_URL has the encoding ${encoding}, and UTF8 is required.`,
      `Create one for ZeroState: CREATE DATABASE zerostate TEMPLATE template0 ENCODING 'UTF8';`,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
