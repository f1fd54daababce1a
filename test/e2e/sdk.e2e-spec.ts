import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type FeedEvent, hasCode, TaskError, ZeroState } from '../../sdk/src/index.js';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { echo, endless, publish } from './agents.js';
import { caller, callOf } from './host-call-agents.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

const CHOOSER = `
function agent({ options }) {
  console.log('Choosing.');
  return { chosen: zerostate.ask('Which one?', { schema: { enum: options } }) };
}
`;

describe('the SDK and the command zerostate', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let user: TestUser;
  let client: ZeroState;
  /** Has nothing but the installed package. */
  let folder: string;
  let key: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    folder = mkdtempSync(join(tmpdir(), 'zerostate-sdk-'));
    [server] = await Promise.all([startServer({ env: { DATABASE_URL: database.url } }), install()]);
    user = await registerUser(server.url);
    client = new ZeroState({ url: server.url, credentials: { email: user.email, password: user.password } });
    await publish(server.url, user.token, 'echo', await echo(), { capabilities: ['echo'] });
    await publish(server.url, user.token, 'endless', await endless(), { capabilities: ['endless'] });
    await publish(server.url, user.token, 'asker', await caller(), {
      capabilities: ['asker'],
      permissions: '{"ask":true}',
    });
    const wanted = { name: 'example', scopes: ['tasks:read', 'tasks:write'] };
    key = expectStatus(await api(server.url).post('/auth/api-keys', wanted, { token: user.token }), 201).body.key;
  }, 180_000);

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** As a user does, with no registry in reach. */
  async function install(): Promise<void> {
    const npm = { cwd: folder, env: { ...process.env, npm_config_cache: join(folder, 'cache'), NODE_ENV: undefined } };
    await run(process.execPath, [`${ROOT}scripts/pack-sdk.js`, 'dist-test'], { cwd: ROOT });
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, `${ROOT}sdk`], npm);
    const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${archive}`], npm);
  }

  interface Said {
    code: number | null;
    out: string;
    error: string;
  }

  /** Runs the installed command. */
  async function zerostate(
    args: string[],
    { input = '', env = {} }: { input?: string; env?: object } = {},
  ): Promise<Said> {
    const child = spawn(join(folder, 'node_modules/.bin/zerostate'), args, {
      cwd: folder,
      env: { PATH: process.env.PATH, ZEROSTATE_CONFIG_DIR: join(folder, 'config'), ZEROSTATE_URL: server.url, ...env },
    });
    child.stdin.on('error', () => undefined); // commands that read nothing may be gone by now
    child.stdin.end(input);
    const closed = new Promise<number | null>((done) => child.once('close', done));
    const [out, error, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { code, out, error };
  }

  async function succeeds(args: string[], options?: { input?: string; env?: object }): Promise<string> {
    const said = await zerostate(args, options);
    if (said.code !== 0)
      throw new Error(`zerostate ${args.join(' ')}: exit code ${said.code}\n${said.out}${said.error}`);
    return said.out;
  }

  it('runs a task in one call, with its events, and parses the result', async () => {
    const types: string[] = [];
    const { result, task } = await client.tasks.run<{ text: string }>(
      { required_capabilities: ['echo'], budget: '1.5', input: { text: 'ö' } },
      { onEvent: ({ type }) => types.push(type) },
    );
    expect(result).toEqual({ text: 'ö' });
    expect(task).toMatchObject({ status: 'completed', budget: 1.5 });
    expect(types).toEqual(['task.queued', 'task.assigned', 'task.running', 'task.completed']);
  });

  it('fails with the code of a refusal or of the task', async () => {
    const run = (capability: string, budget: number) =>
      client.tasks.run({ required_capabilities: [capability], budget, input: {} }).catch((error: unknown) => error);
    expect(hasCode(await run('echo', -1), 'VALIDATION_FAILED')).toBe(true);
    const failed = await run('no-agent-offers-this', 1);
    expect(failed).toBeInstanceOf(TaskError);
    expect(hasCode(failed, 'NO_AGENT_AVAILABLE')).toBe(true);
  });

  it('cancels its task when the caller gives up', async () => {
    const stop = new AbortController();
    const onEvent = ({ type }: FeedEvent) => type === 'task.running' && stop.abort(new Error('enough'));
    const task = { required_capabilities: ['endless'], budget: 1, input: {} };
    await expect(client.tasks.run(task, { signal: stop.signal, onEvent })).rejects.toThrow('enough');
    const { items } = await client.request('GET', '/tasks', { query: { limit: 1 } });
    expect(items[0].status).toBe('cancelled');
  });

  it('answers the questions of agents, and reads documents by reference', async () => {
    const input = callOf('input.ask', { question: 'Which one?' });
    const asking = { required_capabilities: ['asker'], budget: 1, allow: { ask: true }, input };
    const { result } = await client.tasks.run(asking, { onQuestion: ({ question }) => `${question} This one.` });
    expect(JSON.stringify(result)).toContain('Which one? This one.');

    const progress: number[] = [];
    const document = JSON.stringify({ rows: 'x'.repeat(200_000) });
    const { input_ref, size } = await client.tasks.uploadInput(document, { onProgress: (sent) => progress.push(sent) });
    expect(size).toBe(document.length);
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.at(-1)).toBe(document.length);
    const brought = await client.tasks.submit({ required_capabilities: ['echo'], budget: 1, input_ref });
    expect((await client.tasks.get(brought.id)).input_ref).toBe(input_ref);
    await client.tasks.wait(brought.id);
  });

  it('submits once under an idempotency key, and follows the account from a cursor', async () => {
    const task = { required_capabilities: ['echo'], budget: 1, input: 1 };
    const [first, second] = [
      await client.tasks.submit(task, { idempotencyKey: 'once' }),
      await client.tasks.submit(task, { idempotencyKey: 'once' }),
    ];
    expect(second.id).toBe(first.id);
    const types: string[] = [];
    for await (const { task_id, type } of client.events({ afterSeq: 0 })) {
      if (task_id === first.id) types.push(type);
      if (types.at(-1) === 'task.completed') break;
    }
    expect(types).toHaveLength(4);
  });

  it('installs into an empty folder without a registry, and keeps a login that nobody else can read', async () => {
    expect((await succeeds(['--version'])).trim()).toBe('0.1.0');
    expect(await zerostate(['tasks', 'list'])).toMatchObject({
      code: 3,
      error: expect.stringContaining('zerostate login'),
    });
    const wrong = await zerostate(['login', '--email', user.email, '--password-stdin'], { input: 'not the password' });
    expect(wrong).toMatchObject({ code: 1, error: expect.stringContaining('WRONG_CREDENTIALS') });
    const said = await zerostate(['login', '--email', user.email, '--password-stdin'], { input: `${user.password}\n` });
    expect(said).toMatchObject({ code: 0, out: expect.stringContaining(`as ${user.email}`) });

    const file = join(folder, 'config/profiles.json');
    const { access_token, refresh_token } = JSON.parse(readFileSync(file, 'utf8')).profiles.default;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const token of [access_token, refresh_token]) expect(said.out + said.error).not.toContain(token);
    expect(JSON.parse(await succeeds(['whoami', '--json']))).toMatchObject({ email: user.email, profile: 'default' });
    const elsewhere = await zerostate(['whoami', '--url', 'http://127.0.0.1:9']);
    expect(elsewhere).toMatchObject({ code: 2, error: expect.stringContaining(`is a login at ${server.url}`) });
    const away = await zerostate(['whoami'], { env: { ZEROSTATE_URL: 'http://127.0.0.1:9', ZEROSTATE_API_KEY: key } });
    expect(away).toMatchObject({ code: 4, error: expect.stringContaining('cannot be reached') });
  }, 60_000);

  it('leads from a template over a local run and an upload to a task, its question and its auction', async () => {
    await succeeds(['init', 'chooser', '--language', 'javascript']);
    const project = join(folder, 'chooser');
    expect(await succeeds(['dev', 'chooser', '--once'])).toContain('"reversed": "eb ot ton ro eb ot"');
    expect(JSON.parse(await succeeds(['deploy', 'chooser', '--no-build', '--json']))).toMatchObject({
      version: '0.1.0',
      active: true,
    });

    writeFileSync(join(project, 'agent.js'), CHOOSER);
    writeFileSync(join(project, 'sample-input.json'), '{"options":["red","blue"]}');
    const manifest = JSON.parse(readFileSync(join(project, 'agent.json'), 'utf8'));
    const widened = { ...manifest, version: '0.2.0', permissions: { ask: true } };
    writeFileSync(join(project, 'agent.json'), JSON.stringify(widened));
    expect(await succeeds(['dev', 'chooser', '--once', '--answer', 'blue'])).toContain('"chosen": "blue"');
    const careful = await zerostate(['deploy', 'chooser', '--no-build']);
    expect(careful).toMatchObject({ code: 2, error: expect.stringMatching(/\+ ask[^]*Say --yes/) });
    expect(await succeeds(['deploy', 'chooser', '--yes'])).toContain('zerostate agents activate chooser 0.2.0');
    await succeeds(['agents', 'activate', 'chooser', '0.2.0']);
    expect(await succeeds(['agents', 'versions', 'chooser'])).toMatch(/0\.2\.0 +active .*ask/);

    const task = ['-c', 'chooser', '--budget', '1', '--allow', 'ask', '--input', '{"options":["red","blue"]}'];
    expect(await succeeds(['auction', 'simulate', ...task])).toMatch(/rank +agent[^]*1 +chooser/);
    const id = (await succeeds(['tasks', 'submit', ...task])).trim();
    await waitForTask(server.url, user.token, id, 'input_required');
    expect(await zerostate(['tasks', 'input', id, 'green'])).toMatchObject({ code: 1 });
    await succeeds(['tasks', 'input', id, 'red']);
    expect(await succeeds(['tasks', 'watch', id])).toMatch(/task\.input_required[^]*task\.completed/);
    expect(await succeeds(['tasks', 'logs', '-f', id])).toBe('Choosing.\n');
    expect(await succeeds(['tasks', 'logs', id])).toBe('Choosing.\n');
    expect(await succeeds(['tasks', 'result', id])).toBe('{"chosen":"red"}\n');
    expect(await succeeds(['auction', 'show', id, '--verify'])).toMatch(
      /price 30%[^]*1 +chooser[^]*the scores are right/,
    );
    expect(await zerostate(['tasks', 'cancel', id])).toMatchObject({
      code: 1,
      error: expect.stringContaining('(ALREADY_ENDED)'),
    });
  }, 120_000);

  it('waits for a result byte for byte, and knows secrets, webhooks and the ledger', async () => {
    const input = '{"n":9007199254740993}';
    const waited = await zerostate(['tasks', 'submit', '-w', '-c', 'echo', '-b', '1', '-i', '-'], { input });
    expect(waited).toMatchObject({ code: 0, error: expect.stringContaining('task.completed') });
    expect(waited.out).toBe(`${input}\n`);

    const set = await zerostate(['secrets', 'set', 'echo', 'TOKEN', '--host', 'api.example.com'], {
      input: 'hidden value\n',
    });
    expect(set).toMatchObject({ code: 0, out: 'Secret TOKEN of echo is stored for api.example.com.\n', error: '' });
    expect(await succeeds(['secrets', 'echo'])).toMatch(/TOKEN +api\.example\.com/);
    const create = ['webhooks', 'create', 'https://hooks.example.com/', '--secret-file', 'hook.secret'];
    const webhook = await succeeds([...create, '--events', 'task.completed,task.failed']);
    const secret = readFileSync(join(folder, 'hook.secret'), 'utf8').trim();
    expect(secret).toMatch(/^whsec_/);
    expect(webhook).not.toContain(secret);
    expect(statSync(join(folder, 'hook.secret')).mode & 0o777).toBe(0o600);
    expect(await succeeds(['webhooks'])).toContain('https://hooks.example.com/  task.completed, task.failed');
    expect(await succeeds(['ledger'])).toMatch(/^available +\d/);
    expect(await succeeds(['ledger', 'transfers', '--kind', 'hold'])).toMatch(/hold +[0-9a-f-]{36}/);
    expect(await succeeds(['logout'])).toContain('Logged out');
    expect(await zerostate(['ledger'])).toMatchObject({ code: 3 });
  }, 60_000);

  it('is shown by example clients in JavaScript and Python, which report failures by code', async () => {
    cpSync(`${ROOT}examples/clients/run-task.mjs`, join(folder, 'run-task.mjs'));
    const examples: [string, string][] = [
      [process.execPath, join(folder, 'run-task.mjs')],
      ['python3', `${ROOT}examples/clients/run_task.py`],
    ];
    for (const [command, program] of examples) {
      const example = (budget: string) =>
        run(command, [program, server.url, 'echo', budget, '{"a": [1]}'], {
          cwd: folder,
          env: { PATH: process.env.PATH, API_KEY: key },
        });
      const { stdout, stderr } = await example('1');
      expect(JSON.parse(stdout)).toEqual({ a: [1] });
      expect(stderr).toMatch(/^\d+ task\.queued\n[^]*\n\d+ task\.completed\n$/);
      await expect(example('-1')).rejects.toMatchObject({
        stderr: expect.stringContaining('VALIDATION_FAILED'),
      });
    }
  }, 60_000);
});
