import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, type TestUser, uploadAgent, waitForTask } from '../support/client.js';
import { ensureInstalled } from '../support/apt.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { type Checkout, createCheckout, runShellBlocks } from '../support/shell-blocks.js';

const RUBY = fileURLToPath(new URL('../../../examples/agents/ruby/', import.meta.url));
const greeted = { greeting: 'Hello, Ada!' };

/** Each template, built as its README says; what a task gives it, and what comes back. */
const TEMPLATES = [
  { folder: 'template-c', input: { name: 'Ada' }, result: greeted },
  { folder: 'template-rust', input: { name: 'Ada' }, result: greeted },
  { folder: 'template-assemblyscript', input: { name: 'Ada' }, result: greeted },
  { folder: 'javascript', input: { text: 'Ada' }, result: { reversed: 'adA', letters: { a: 2, d: 1 } } },
  { folder: 'python', input: { text: 'Ada' }, result: { reversed: 'adA', letters: { a: 2, d: 1 } } },
  { folder: 'ruby', input: { name: 'Ada' }, result: greeted },
];

/** Debian's packages the templates name, and a file that is there once they are. */
const PACKAGES = {
  clang: '/usr/bin/clang',
  lld: '/usr/bin/wasm-ld',
  'wasi-libc': '/usr/lib/wasm32-wasi/libc.a',
  'libclang-rt-14-dev-wasm32': '/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a',
  rustc: '/usr/bin/rustc',
  'libstd-rust-dev-wasm32': '/usr/lib/rustlib/wasm32-wasi',
};

describe('programs of real toolchains', () => {
  let server: ServerProcess;
  let user: TestUser;
  let checkout: Checkout;
  beforeAll(async () => {
    checkout = await createCheckout();
    for (const [name, file] of Object.entries(PACKAGES)) ensureInstalled(name, () => existsSync(file));
    server = await startServer();
    user = await registerUser(server.url);
  }, 300_000);
  afterAll(async () => {
    await server?.stop();
    await checkout?.remove();
  });

  const built = (): string => `${checkout.path}/my-agent.wasm`;

  /** Uploads what was built last as an agent. */
  async function upload(slug: string) {
    const wasm = await readFile(built());
    expectStatus(await uploadAgent(server.url, user.token, slug, wasm, { capabilities: [slug] }), 201);
  }

  async function run(slug: string, input: unknown) {
    const task = { required_capabilities: [slug], budget: 1, input };
    const { body } = expectStatus(await api(server.url).post('/tasks', task, { token: user.token }), 202);
    return waitForTask(server.url, user.token, body.id as string, 'completed', 60_000);
  }

  async function runAsAgent(slug: string, input: unknown) {
    await upload(slug);
    return run(slug, input);
  }

  const bundleRuby = (script: string, env = {}) =>
    promisify(execFile)(process.execPath, [`${RUBY}bundle.mjs`, script, built()], {
      env: { ...process.env, ...env },
    });

  it.each(TEMPLATES)(
    'builds $folder as its README says, takes the upload and answers a task',
    async ({ folder, input, result }) => {
      await rm(built(), { force: true });
      await runShellBlocks(`examples/agents/${folder}/README.md`, { checkout });
      const task = await runAsAgent(folder, input);
      expect(task.result).toEqual(result);
      expect(task.attempts[0].metering).toMatchObject({ cpu_ms: expect.any(Number), host_calls: expect.any(Number) });
    },
    300_000,
  );

  it('runs the Ruby script of a task, with the standard library', async () => {
    await bundleRuby(`${RUBY}run-script.rb`);
    const script = 'require "set"; { version: RUBY_VERSION, distinct: Set[1, 2, 2].size, sum: (1..10).sum }';
    const task = await runAsAgent('run-ruby', { script });
    expect(task.result).toEqual({ version: expect.stringMatching(/^3\.4\./), distinct: 2, sum: 55 });
  }, 300_000);

  it('gives a Ruby agent the top level of its bundling, and the environment and random numbers of each task', async () => {
    const script = `${checkout.path}/frozen.rb`;
    await writeFile(
      script,
      `at = [rand, ENV['ZEROSTATE_ATTEMPT']]
AT_BUNDLING = at
def agent(input)
  puts 'to the log'
  { at_bundling: AT_BUNDLING, now: [rand, ENV['ZEROSTATE_ATTEMPT']] }
end
`,
    );
    const binaries: Buffer[] = [];
    for (let i = 0; i < 2; i++) {
      await bundleRuby(script, { SOURCE_DATE_EPOCH: '1700000000' });
      binaries.push(await readFile(built()));
    }
    expect(binaries[0].equals(binaries[1])).toBe(true);
    await upload('frozen-ruby');
    const [first, second] = [(await run('frozen-ruby', {})).result, (await run('frozen-ruby', {})).result] as any[];
    expect(first).toEqual({ at_bundling: [expect.any(Number), null], now: [expect.any(Number), '1'] });
    expect(second.at_bundling).toEqual(first.at_bundling);
    expect(second.now[0]).not.toBe(first.now[0]);
  }, 300_000);

  it.each([
    [
      'fails',
      'def agent(input) = 1\nInteger("x")\n',
      ['ArgumentError: invalid value for Integer(): "x"', 'broken.rb:2'],
    ],
    ['does not parse', 'def agent(input)\n  (1\nend\n', ['SyntaxError', 'broken.rb:3']],
  ])(
    'makes no agent of a Ruby script that %s, and says where',
    async (_, source, expected) => {
      const script = `${checkout.path}/broken.rb`;
      await writeFile(script, source);
      const { stderr, code } = await bundleRuby(script).catch((error) => error);
      expect(code).toBe(1);
      for (const part of [...expected, 'no agent was made']) expect(stderr).toContain(part);
    },
    300_000,
  );
});
