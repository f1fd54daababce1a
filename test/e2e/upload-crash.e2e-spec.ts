import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, registerUser, uploadAgent, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startPostgresProxy, type PostgresProxy } from '../support/postgres-proxy.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { field, file, multipart } from './multipart.js';
import { ask } from './rows.js';
import { good } from './agents.js';
import { padded } from './padding.js';

/** What an upload may have left where its server died. */
interface Leftovers {
  files: number;
  ledger: number;
}

/** A step of an upload. */
interface Moment {
  when: string;
  leftovers: Leftovers;
  /** Uploads as an agent, and resolves when the upload has come to this step and stays there. */
  reach(slug: string, wasm: Buffer): Promise<void>;
}

/**
 * The server has no means to be stopped at a step. Instead, a client pauses, a child process is stopped, or a proxy before
 * PostgreSQL holds a statement.
 */
describe('an upload whose server is killed', () => {
  let database: TestDatabase;
  let proxy: PostgresProxy;
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;
  /** So that no two have the same bytes. */
  let uploads = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startPostgresProxy(database.url);
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-crash-'));
    await chmod(dataDir, 0o711);
    server = await start();
    user = await registerUser(server.url);
  });

  afterAll(async () => {
    await server?.stop();
    await proxy?.close();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Steps that one kill can hit together. The validator comes last: once it is stopped, no other upload can go on. */
  const MOMENTS: Moment[][] = [
    [
      { when: 'while the body arrives', leftovers: { files: 1, ledger: 0 }, reach: sendHalf },
      {
        when: 'before the ledger has the blob',
        leftovers: { files: 1, ledger: 0 },
        reach: (slug, wasm) => untilHeld(slug, wasm, 'statement', 'INSERT INTO blobs'),
      },
      {
        when: 'before the blob is stored',
        leftovers: { files: 1, ledger: 1 },
        reach: (slug, wasm) => untilHeld(slug, wasm, 'answer', 'INSERT INTO blobs'),
      },
      { when: 'while the binary is validated', leftovers: { files: 1, ledger: 0 }, reach: untilValidating },
    ],
    ...[
      { when: 'before the agent is written', texts: ['INSERT INTO "agents"'] },
      { when: 'before the version is written', texts: ['INSERT INTO "agent_binaries"'] },
      { when: 'before the commit', texts: ['INSERT INTO "agent_binaries"', 'COMMIT'] },
    ].map(({ when, texts }): Moment[] => [
      {
        when,
        leftovers: { files: 1, ledger: 1 },
        reach: (slug, wasm) => untilHeld(slug, wasm, 'statement', ...texts),
      },
    ]),
  ];

  it.each(MOMENTS.map((moments) => ({ moments, when: moments.map(({ when }) => when).join(', or ') })))(
    '$when, leaves nothing but a temporary file, and succeeds when it is sent again',
    async ({ moments }) => {
      const before = await kept();
      const expected = { ...before };
      const sent: { slug: string; wasm: Buffer }[] = [];
      for (const { when, leftovers, reach } of moments) {
        const slug = `crash-${when.replaceAll(' ', '-')}`;
        const wasm = padded(await good(), 20_000_000 + uploads++);
        await reach(slug, wasm);
        sent.push({ slug, wasm });
        expected.files += leftovers.files;
        expected.ledger += leftovers.ledger;
        expect({ when, kept: await kept() }).toEqual({ when, kept: expected });
      }
      await server.kill('SIGKILL');

      server = await start();
      expect(await kept()).toEqual(expected);
      for (const { slug } of sent) expect((await api(server.url).get(`/agents/${slug}`, user)).status).toBe(404);

      await age();
      await until('the leftovers are gone', async () => JSON.stringify(await kept()) === JSON.stringify(before));

      for (const { slug, wasm } of sent) {
        const { body } = expectStatus(await uploadAgent(server.url, user.token, slug, wasm), 201);
        expect(body).toMatchObject({ version: '1.0.0', binary_size: wasm.length });
      }
      expect(await kept()).toEqual({ files: before.files + sent.length, ledger: before.ledger + sent.length });
    },
    120_000,
  );

  it('after the commit has been taken, whoever sends it again hears so', async () => {
    const wasm = padded(await good(), 1000);
    await untilHeld('crash-after', wasm, 'answer', 'INSERT INTO "agent_binaries"', 'COMMIT');
    await server.kill('SIGKILL');
    server = await start();
    expect((await api(server.url).get('/agents/crash-after', user)).body.version).toBe('1.0.0');
    const again = await uploadAgent(server.url, user.token, 'crash-after', wasm);
    expect(expectStatus(again, 200).body).toMatchObject({ status: 'unchanged', version: '1.0.0' });
  });

  it('leaves alone what a living upload is about to use', async () => {
    const wasm = padded(await good(), 2000);
    const rival = await registerUser(server.url);
    const held = proxy.hold('statement', 'INSERT INTO "agents"');
    const upload = uploadAgent(server.url, user.token, 'stalled', wasm).catch(() => undefined);
    await held;
    const during = await kept();
    const second = await start();
    try {
      // The same bytes from elsewhere and somebody else, while the first upload has stored them but not committed.
      expectStatus(await uploadAgent(second.url, rival.token, 'overtaking', wasm), 201);
      expect(await kept()).toEqual(during);
    } finally {
      await second.stop();
    }
    await server.kill('SIGKILL');
    await upload;
    server = await start();
    await age();
    await cleanup();
    expect((await api(server.url).get('/agents/overtaking/binary?redirect=false', rival)).status).toBe(200);
  });

  it('or that outlasted the grace of its bytes is refused, not half done', async () => {
    const wasm = padded(await good(), 3000);
    const before = await kept();
    // Held before its transaction writes anything.
    const release = await lockAgents();
    const upload = uploadAgent(server.url, user.token, 'late', wasm);
    await until('the bytes are stored', async () => {
      return (
        (await ask(database.url, `SELECT FROM pg_locks WHERE relation = 'agents'::regclass AND NOT granted`)).length > 0
      );
    });
    await age();
    await until('they are cleaned up', async () => (await kept()).files === before.files);
    await release();
    const answer = await upload;
    expect([answer.status, answer.body.code]).toEqual([503, 'UPLOAD_STALLED']);
    expect(await kept()).toEqual(before);
    expectStatus(await uploadAgent(server.url, user.token, 'late', wasm), 201);
  });

  const start = (): Promise<ServerProcess> =>
    startServer({
      // Without a worker the validator's are its only child processes.
      roles: ['api'],
      env: { DATABASE_URL: proxy.url, DATA_DIR: dataDir, CLEANUP_INTERVAL_MS: '100' },
    });

  /** Sends the first half of a form, and waits until the server has it on disk. */
  async function sendHalf(slug: string, wasm: Buffer): Promise<void> {
    const { files } = await kept();
    const form = [field('name', slug), field('capabilities', 'c'), field('price', '1'), file(wasm)];
    const { body, contentType } = multipart(form);
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `POST /api/v1/agents/${slug}/binary HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${user.token}\r\n` +
        `Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body.subarray(0, body.length / 2));
    await until('the file is being staged', async () => (await kept()).files > files);
  }

  /** Stops the validator's processes, so that they never answer, and waits until the whole binary is there for them. */
  async function untilValidating(slug: string, wasm: Buffer): Promise<void> {
    const children = `/proc/${server.pid}/task/${server.pid}/children`;
    uploadAgent(server.url, user.token, slug, wasm).catch(() => undefined);
    await until('it waits for the validator', async () => {
      const pids = (await readFile(children, 'utf8')).split(' ').filter(Boolean).map(Number);
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      const sizes = await Promise.all((await files()).map(async (path) => (await stat(path)).size));
      return pids.length > 0 && sizes.includes(wasm.length);
    });
  }

  async function untilHeld(slug: string, wasm: Buffer, what: 'statement' | 'answer', ...texts: string[]) {
    const held = proxy.hold(what, ...texts);
    uploadAgent(server.url, user.token, slug, wasm).catch(() => undefined);
    await held;
  }

  /** Waits until a cleanup has removed a blob that nobody refers to. */
  async function cleanup(): Promise<void> {
    const witness = `local:${'0'.repeat(64)}`;
    await ask(database.url, `INSERT INTO blobs (ref, stored_at) VALUES ($1, now() - interval '1 day')`, [witness]);
    await until('a cleanup has come by', async () => {
      return (await ask(database.url, 'SELECT FROM blobs WHERE ref = $1', [witness])).length === 0;
    });
  }

  /** Keeps agents from being written. @returns lets them be again */
  async function lockAgents(): Promise<() => Promise<void>> {
    const client = new pg.Client(database.url);
    await client.connect();
    await client.query('BEGIN; LOCK TABLE agents IN SHARE MODE');
    return () => client.end();
  }

  async function kept(): Promise<Leftovers> {
    const [{ count }] = await ask<{ count: string }>(database.url, 'SELECT count(*) FROM blobs');
    return { files: (await files()).length, ledger: Number(count) };
  }

  /** All that the server keeps on disk, but for its secret. */
  async function files(): Promise<string[]> {
    const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name !== 'jwt-secret')
      .map((entry) => join(entry.parentPath, entry.name));
  }

  /** As if all of it had happened a day ago. */
  async function age(): Promise<void> {
    const yesterday = new Date(Date.now() - 86_400_000);
    for (const path of await files()) await utimes(path, yesterday, yesterday);
    await ask(database.url, `UPDATE blobs SET stored_at = stored_at - interval '1 day'`);
  }
});
