import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../../src/config/index.js';
import { openDatabase } from '../../src/database/index.js';
import { api, registerUser, waitForTask } from '../support/client.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { addressOf } from '../support/services.js';
import { good, publish, submit } from './agents.js';
import { ask } from './rows.js';

/** What databases and roles really carry, and what breaks code that takes sessions as they come. */
const HOSTILE: Record<string, string> = {
  bytea_output: "'escape'",
  datestyle: "'SQL, DMY'",
  default_transaction_isolation: "'serializable'",
  extra_float_digits: "'0'",
  idle_in_transaction_session_timeout: "'50ms'",
  idle_session_timeout: "'500ms'",
  intervalstyle: "'sql_standard'",
  lock_timeout: "'5ms'",
  search_path: 'nowhere',
  standard_conforming_strings: "'off'",
  statement_timeout: "'250ms'",
  timezone: "'America/St_Johns'",
};
const OPERATOR = fileURLToPath(new URL('../../bin/operator.js', import.meta.url));

describe('sessions of PgBouncer, on a database with other session settings', () => {
  let database: TestDatabase;
  let pooler: PgBouncer;
  let sharing: PgBouncer;
  let server: ServerProcess;
  let doctor: Promise<{ code: unknown; out: string }>;

  beforeAll(async () => {
    database = await createTestDatabase();
    const name = new URL(database.url).pathname.slice(1);
    const settings = Object.entries(HOSTILE).map(
      ([setting, value]) => `ALTER DATABASE ${name} SET ${setting} = ${value}`,
    );
    await ask(database.url, settings.join(';'));
    [pooler, sharing] = await Promise.all([
      startPgBouncer(database.url, 'session'),
      startPgBouncer(database.url, 'transaction'),
    ]);
    doctor = diagnose(sharing.url);
    const options = encodeURIComponent('-c geqo=off -c DateStyle=German');
    server = await startServer({ env: { DATABASE_URL: `${pooler.url}?options=${options}&statement_timeout=5` } });
  }, 60_000);

  afterAll(async () => {
    await server?.stop();
    await Promise.all([pooler?.stop(), sharing?.stop()]);
    await database?.drop();
  });

  it('serve a server in session mode, also under concurrent writes', async () => {
    const { url } = server;
    const { token } = await registerUser(url);
    await publish(url, (await registerUser(url)).token, 'good', await good(), { capabilities: ['good'] });
    const ids = await Promise.all(Array.from({ length: 10 }, () => submit(url, token, 'good')));
    const tasks = await Promise.all(ids.map((id) => waitForTask(url, token, id, 'completed')));
    for (const { created_at } of tasks) expect(Math.abs(Date.parse(created_at) - Date.now())).toBeLessThan(60_000);
    const rated = await Promise.all(ids.map((id) => api(url).post(`/tasks/${id}/rating`, { rating: 5 }, { token })));
    expect(rated.map(({ status }) => status)).toEqual(ids.map(() => 200));
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  });

  it('include the one by which others see that a process lives, and no setting ends it', async () => {
    // Asked from another database, whose sessions may take their time.
    const signs = async () =>
      ask<{ pid: number }>(
        await addressOf('postgres'),
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 7305 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = $1)`,
        [new URL(database.url).pathname.slice(1)],
      );
    const before = await signs();
    // Twice as long as the database leaves a session idle.
    await pause(1000);
    expect(before).toHaveLength(1);
    expect(await signs()).toEqual(before);
  });

  it('are refused in transaction mode, with the reason and what to do', async () => {
    const refusal = /^DATABASE_URL leads through a pooler that shares sessions.* Set pool_mode = session/;
    const environment = parseEnvironment({ DATABASE_URL: sharing.url });
    await expect(openDatabase(environment, () => undefined)).rejects.toThrow(refusal);
    const { code, out } = await doctor;
    expect(code).toBe(1);
    expect(out).toMatch(
      /^✗ database +DATABASE_URL leads through a pooler that shares sessions.*\n +→ Set pool_mode = session/m,
    );
  });
});

it('a database in another encoding than UTF-8 is refused, with the reason and what to do', async () => {
  const latin = await createEmptyDatabase(`TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER 'libc' LOCALE 'C'`);
  try {
    const opened = openDatabase(parseEnvironment({ DATABASE_URL: latin.url }), () => undefined);
    await expect(opened).rejects.toThrow(/has the encoding LATIN1, and UTF8 is required.*ENCODING 'UTF8'/);
  } finally {
    await latin.drop();
  }
});

async function diagnose(url: string): Promise<{ code: unknown; out: string }> {
  const doctor = spawn(process.execPath, [OPERATOR, 'doctor'], { env: { PATH: process.env.PATH, DATABASE_URL: url } });
  const [out, [code]] = await Promise.all([text(doctor.stdout), once(doctor, 'close')]);
  return { code, out };
}
