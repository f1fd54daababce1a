import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, login, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { endlessAtFirst, good, publish, submit } from './agents.js';
import { until } from '../support/until.js';

/** The steps of one installation's life, in order. */
describe('an installation on the embedded database', () => {
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;
  /** Of a task that has completed. */
  let doneId: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-recovery-'));
    await chmod(dataDir, 0o711); // as root, PostgreSQL runs as another user
  });

  afterAll(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    server = await startServer({ env: { DATA_DIR: dataDir, EXAMPLE_AGENTS: 'compiled', ...env } });
  };

  const expectEverythingToBeThere = async (): Promise<void> => {
    const { url } = server;
    // The old token too: the secret that signed it is kept.
    expect(expectStatus(await api(url).get('/auth/me', user), 200).body.email).toBe(user.email);
    const token = await login(url, user);
    const { body: done } = expectStatus(await api(url).get(`/tasks/${doneId}`, { token }), 200);
    expect(done).toMatchObject({ status: 'completed', result: { ok: true } });
    await waitForTask(url, token, await submit(url, token, 'good'), 'completed');
  };

  it('shows the main job on its first start: an auction as a table, and the result', async () => {
    await start({ DEMO: 'true' });
    const shown = await until('the demonstration has ended', () => {
      const text = server.stdout();
      return text.includes('Next: ') && text;
    });
    const [, table, result] = /\n\n((?: +\S.*\n)+)\n +completed for [\d.]+ credits:\n((?: .*\n)+)/.exec(shown) ?? [];
    const [header, , ...bids] = table.trimEnd().split('\n');
    expect(header).toMatch(/rank +agent +price .* total/);
    expect(bids.map((line) => line.trim().split(/ {2,}/).slice(0, 2))).toEqual([
      ['1', 'Text Summary Lite'],
      ['2', expect.stringContaining('Summary')],
      ['3', expect.stringContaining('Summary')],
    ]);
    expect(JSON.parse(result)).toMatchObject({ summary: expect.stringContaining('ZeroState is an open market') });
  });

  it('is there again after a stop, without a second admin or second examples', async () => {
    user = await registerUser(server.url);
    await publish(server.url, user.token, 'good', await good(), { capabilities: ['good'] });
    doneId = await submit(server.url, user.token, 'good');
    await waitForTask(server.url, user.token, doneId, 'completed');
    const agents = async () =>
      expectStatus(await api(server.url).get('/agents?limit=100', { token: await loginAdmin(server.url) }), 200).body;
    const before = await agents();
    await server.stop();

    await start();
    expect(server.stdout()).not.toContain('password');
    expect((await agents()).items.map((card: any) => card.id)).toEqual(before.items.map((card: any) => card.id));
    await expectEverythingToBeThere();
  });

  it('is there again after a kill, and the task that was running is done after all', async () => {
    const { token } = user;
    await publish(server.url, token, 'endless-at-first', await endlessAtFirst(), {
      capabilities: ['endless-at-first'],
    });
    const interrupted = await submit(server.url, token, 'endless-at-first', { timeout_ms: 300_000 });
    await waitForTask(server.url, token, interrupted, 'running');
    await server.kill('SIGKILL');

    await start();
    await expectEverythingToBeThere();
    const task = await waitForTask(server.url, token, interrupted, 'completed', 60_000);
    expect(task.attempts).toMatchObject([{ outcome: 'lost' }, { outcome: 'completed' }]);
  }, 120_000);

  it('may be served by a second process, which says that it found PostgreSQL running and survives the first', async () => {
    const first = server;
    await start();
    const sentence = server
      .stdout()
      .split('\n')
      .filter((line) => line.includes('Using the PostgreSQL that already runs on'));
    expect(sentence).toEqual([expect.stringContaining(dataDir)]);
    await first.stop();
    await expectEverythingToBeThere();
  });
});

describe('a server that is stopped while it starts', () => {
  const started: ChildProcess[] = [];
  const MAIN = fileURLToPath(new URL('../../bin/server.js', import.meta.url));
  let dataDir: string;
  const pidFile = (): string => join(dataDir, 'postgres', 'cluster', 'data', 'postmaster.pid');

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-stop-'));
    await chmod(dataDir, 0o711); // as root, PostgreSQL runs as another user
  });

  // A failed test must not leave its server to the next one.
  afterEach(() => {
    for (const server of started.splice(0)) server.kill('SIGKILL');
  });

  afterAll(() => rm(dataDir, { recursive: true, force: true }));

  function start(env: Record<string, string> = {}, ...flags: string[]) {
    const server = spawn(process.execPath, [...flags, MAIN], {
      env: {
        PATH: process.env.PATH,
        DATA_DIR: dataDir,
        PORT: '0',
        HOST: '127.0.0.1',
        DEMO: 'false',
        EXAMPLE_AGENTS: 'compiled',
        ...env,
      },
    });
    started.push(server);
    let output = '';
    for (const stream of [server.stdout, server.stderr]) stream.on('data', (text: Buffer) => (output += text));
    return { server, output: () => output };
  }

  it.each([
    ['the database is being created', (output: string) => output.includes('Creating the database')],
    ['PostgreSQL begins to run', () => existsSync(pidFile())],
    ['its modules have started', (output: string) => output.includes('successfully started')],
    ['example agents are registered', (output: string) => output.includes('registering')],
  ])('ends well, and leaves no PostgreSQL behind, when %s', async (moment, hasCome) => {
    const { server, output } = start();
    const ended = once(server, 'close');
    await until(moment, () => hasCome(output()));
    // As Ctrl-C does under npm: the terminal signals the whole group, and npm passes its signal on.
    server.kill('SIGINT');
    server.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(pidFile())).toBe(false);
    expect(output()).not.toContain('on pool more than once');
  });

  it('ends with 1, and leaves no PostgreSQL behind, after a fault of its own', async () => {
    const fault = 'process.on("SIGUSR2", () => { throw new Error("a fault") })';
    const { server, output } = start({}, '--import', `data:text/javascript,${fault}`);
    const ended = once(server, 'close');
    await until('it serves', () => output().includes('  Health  '));
    server.kill('SIGUSR2');
    expect(await ended).toEqual([1, null]);
    expect(output()).toContain('Error: a fault');
    expect(existsSync(pidFile())).toBe(false);
  });

  it('ends with 1, and leaves no PostgreSQL behind, at a second signal, though it would drain for long', async () => {
    const { server, output } = start({ SHUTDOWN_DELAY_MS: '300000' });
    const ended = once(server, 'close');
    await until('it serves', () => output().includes('  Health  '));
    // Within the first second it is taken for an echo of the first.
    const signals = setInterval(() => server.kill('SIGTERM'), 500);
    expect(await ended).toEqual([1, null]);
    clearInterval(signals);
    expect(existsSync(pidFile())).toBe(false);
  });
});

describe('a server that is configured wrongly', () => {
  it.each([
    ['PORT', { PORT: 'http' }],
    ['ROLES', { ROLES: 'api,master' }],
    ['DATABASE_URL', { DATABASE_URL: 'mysql://localhost/zerostate' }],
    ['AUCTION_WEIGHT_PRICE', { AUCTION_WEIGHT_PRICE: '-1' }],
    ['JWT_SECRET', { NODE_ENV: 'production' }],
  ])('does not start and names the variable: %s', async (variable, env) => {
    const failure = await startServer({ env }).catch((error: Error) => error.message);
    expect(failure).toMatch(/^The server ended \(exit code 1\) before it was ready/);
    // The one mistake is all it says (of a list with its place): no stack, no other variable.
    expect(failure).toMatch(new RegExp(`\\nThe configuration has mistakes:\\n  ${variable}(\\.\\d+)?: .+$`));
  });
});
