import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { variables } from '../../src/config/variables.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { ADMIN, api, expectStatus, loginAdmin, waitForTask } from '../support/client.js';
import { type Checkout, createCheckout } from '../support/shell-blocks.js';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const RUN = join(ROOT, 'scripts/run.js');
const ANY = { required_capabilities: ['summarise'], budget: 2, input: { text: 'to be or not to be' } };

/** Most that a first start takes while other suites keep the machine busy, ms. */
const READY_MS = 100_000;

interface Started {
  child: ChildProcess;
  output(): string;
  ended: Promise<unknown>;
}

function start(command: string, args: string[], env: Record<string, string>, cwd = ROOT): Started {
  const child = spawn(command, args, { cwd, env: { PATH: process.env.PATH, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text));
  return { child, output: () => output, ended: once(child, 'exit') };
}

describe('npm start on a fresh folder', () => {
  let checkout: Checkout;
  let dataDir: string;
  let port: number;
  let url: string;
  let started: Started;
  /** What attempts to register the admin's address were answered, while the server started. */
  const stolen: string[] = [];

  beforeAll(async () => {
    checkout = await createCheckout();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-npm-'));
    await chmod(dataDir, 0o711); // as root, PostgreSQL runs as another user
    port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const env = { PORT: String(port), DATA_DIR: dataDir, DEMO: 'false', ADMIN_EMAIL: ADMIN.email };
    started = start('npm', ['run', 'start:prod'], { ...env, ADMIN_PASSWORD: ADMIN.password }, checkout.path);
  });

  afterAll(async () => {
    started.child.kill('SIGTERM');
    await started.ended;
    await rm(dataDir, { recursive: true, force: true });
    await checkout.remove();
  });

  it(
    'is ready with its admin and agents there: a stranger gets no head start, and the first task an agent',
    async () => {
      const isReady = async (): Promise<boolean> => {
        const thief = api(url).post('/auth/register', { ...ADMIN, password: 'a password of a stranger' });
        stolen.push(await thief.then(({ status }) => String(status)).catch(() => 'refused'));
        return fetch(`${url}/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      };
      await until('it is ready', isReady, READY_MS);
      const token = await loginAdmin(url);
      const { body } = expectStatus(await api(url).post('/tasks', ANY, { token }), 202);
      await waitForTask(url, token, body.id, 'completed');
      expect(stolen.filter((answer) => answer !== 'refused' && answer !== '409')).toEqual([]);
    },
    2 * READY_MS,
  );

  it('says its version first, and of all migrations in one line', () => {
    const lines = started.output().split('\n');
    const [first] = lines.filter((line) => line.startsWith('{'));
    expect(JSON.parse(first).msg).toMatch(/^ZeroState \d+\.\d+\.\d+\S* on Node\.js \d+\.\d+\.\d+, roles api, worker$/);
    expect(lines.filter((line) => line.includes('migrated the database'))).toHaveLength(1);
  });

  it('goes on when nothing reads its output any more', async () => {
    started.child.stdout!.destroy();
    started.child.stderr!.destroy();
    const token = await loginAdmin(url);
    const { body } = expectStatus(await api(url).post('/tasks', ANY, { token }), 202);
    await waitForTask(url, token, body.id, 'completed');
  });

  it('ends with its PostgreSQL when npm gets a SIGTERM', async () => {
    const pidFile = join(dataDir, 'postgres', 'cluster', 'data', 'postmaster.pid');
    const postgres = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
    started.child.kill('SIGTERM');
    await started.ended;
    await until('its port is closed', () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
    await until('its PostgreSQL has ended', () => !existsSync(pidFile) && !isAlive(postgres));
  });
});

const { DEFAULTS, explain } = (await import(join(ROOT, 'scripts/preflight.js'))) as {
  DEFAULTS: Record<string, string>;
  explain(error: Error): Error;
};

describe('what a start checks before anything else', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zerostate-preflight-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const refusal = async (env: Record<string, string>, flags: string[] = [], args: string[] = []): Promise<string> => {
    const command = [...flags, RUN, 'server', ...args];
    const { ended, output } = start(process.execPath, command, { DATA_DIR: folder, ...env });
    expect(await ended).toEqual([1, null]);
    return output().trim();
  };

  it('is the version of Node.js, which it names together with what to install', async () => {
    const old = join(folder, 'old.cjs');
    await writeFile(old, `Object.defineProperty(process.versions, 'node', { value: '18.20.8' });`);
    expect(await refusal({}, ['--require', old])).toMatch(
      /^ZeroState needs Node\.js 20\.19 or newer.* 18\.20\.8 .*\.$/,
    );
  });

  it('is whether the port is free', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const sentence = `Port ${port} on 127.0.0.1 is taken: stop what listens there, or set PORT to another.`;
    expect(await refusal({ PORT: String(port) })).toBe(sentence);
    other.close();
  });

  it('is whether the port is one', async () => {
    for (const PORT of ['99999', '-1', '80.5', 'http'])
      expect(await refusal({ PORT })).toBe(
        `PORT is "${PORT}": set it to a whole number from 1 to 65535, or to 0 for any free port.`,
      );
  });

  it('is whether it knows its arguments', async () => {
    const sentence =
      'Unknown argument "--nodemo". The server knows --no-demo alone; variables set everything else: docs/configuration.md.';
    expect(await refusal({ PORT: '0' }, [], ['--no-demo', '--nodemo'])).toBe(sentence);
  });

  it('is whether the data folder can be written, by the name of its variable', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    expect(await refusal({ PORT: '0', DATA_DIR: join(file, 'data') })).toMatch(
      /^DATA_DIR \S+ cannot be written by the user \S+ \(ENOTDIR\)\. Set DATA_DIR to /,
    );
  });

  it('names DATA_DIR when its disk turns out to be full', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(explain(full).message).toMatch(/disk of DATA_DIR \(ENOSPC\): make room there/);
    expect(explain(new Error('other')).message).toBe('other');
  });

  it('has the defaults of the server', () => {
    const parsed = variables.parse({}) as Record<string, unknown>;
    for (const [name, value] of Object.entries(DEFAULTS)) expect([name, String(parsed[name])]).toEqual([name, value]);
  });
});

describe('a program that starts from the sources', () => {
  let root: string;
  const path = (name: string): string => join(root, name);
  /** What a build copies beside the compiled code. */
  const ASSETS = ['src/validation/check/wasm-tools.wasm', 'src/validation/check/LICENSE.wasm-tools'];
  const SOURCES = [
    ...ASSETS,
    ...['src/part/a.ts', 'src/part', 'src/validation/check', 'src/validation', 'src', 'package.json'],
  ];

  /** A repository whose compiler writes a program that says that it runs. */
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'zerostate-stale-'));
    for (const name of [
      'src/part',
      'src/validation/check',
      'node_modules/@nestjs/core',
      'node_modules/@nestjs/cli/bin',
    ])
      await mkdir(path(name), { recursive: true });
    await cp(join(ROOT, 'scripts'), path('scripts'), { recursive: true });
    await writeFile(
      path('scripts/bundle.js'),
      'export const bundlePackages = () => undefined;\nexport const bundlePrograms = () => undefined;',
    );
    await cp(join(ROOT, 'package.json'), path('package.json'));
    for (const name of ['src/part/a.ts', ...ASSETS]) await writeFile(path(name), '');
    await compiler(`
      fs.mkdirSync('dist/bin', { recursive: true });
      fs.writeFileSync('dist/bin/operator.js', 'console.log("runs", ...process.argv.slice(2))');
    `);
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  const compiler = (code: string): Promise<void> =>
    writeFile(path('node_modules/@nestjs/cli/bin/nest.js'), `const fs = require('node:fs');\n${code}`);

  const run = async (): Promise<string> => {
    const { ended, output } = start(process.execPath, [path('scripts/run.js'), 'operator', 'doctor'], {}, root);
    await ended;
    return output();
  };

  const age = async (): Promise<void> => {
    for (const name of SOURCES) await utimes(path(name), 1000, 1000);
  };

  it('builds when a source is newer, was added or was removed, or a build was broken off, and only then', async () => {
    const built = async (): Promise<boolean> => {
      const output = await run();
      expect(output).toMatch(/^runs doctor$/m);
      return output.includes('Building from the sources');
    };
    await age();
    expect(await built()).toBe(true);
    expect(await built()).toBe(false);
    await utimes(path('src/part/a.ts'), Date.now() / 1000 + 10, Date.now() / 1000 + 10);
    expect(await built()).toBe(true);
    await age();
    await writeFile(path('src/part/b.ts'), '');
    expect(await built()).toBe(true);
    await rm(path('src/part/b.ts'));
    expect(await built()).toBe(true);
    await age();
    await rm(path('dist/.complete'));
    expect(await built()).toBe(true);
  });

  it('ends at Ctrl-C in the middle of a build, and its compiler with it', async () => {
    await compiler(`fs.writeFileSync('pid', String(process.pid)); setInterval(() => undefined, 1000);`);
    const { child, ended } = start(process.execPath, [path('scripts/run.js'), 'operator'], {}, root);
    const pid = await until(
      'the compiler runs',
      async () => Number(await readFile(path('pid'), 'utf8').catch(() => '')) || undefined,
    );
    child.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    await until('the compiler has ended', () => !isAlive(pid));
  });
});

describe('the bundled packages', () => {
  it('are not loaded a second time from node_modules', async () => {
    // `require.cache` has the CommonJS modules; each bundled package that would be loaded twice has some.
    const script = `
      await import(${JSON.stringify(join(ROOT, 'dist-test/src/app.module.js'))});
      console.log(Object.keys((await import('node:module')).createRequire('/').cache).join('\\n'));`;
    const { ended, output } = start(process.execPath, ['--input-type=module', '-e', script], {});
    expect(await ended).toEqual([0, null]);
    const outside = output()
      .split('\n')
      .filter((path) => path.startsWith(`${ROOT}node_modules/`));
    const loaded = new Set(outside.map((path) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)![1]));
    expect(loaded).toContain('pino');
    const bundled = await readdir(join(ROOT, 'dist-test/node_modules'), { recursive: true });
    const names = bundled
      .filter((path) => path.endsWith('/package.json'))
      .map((path) => path.slice(0, -'/package.json'.length));
    expect(names).toContain('typeorm');
    expect(names.filter((name) => loaded.has(name))).toEqual([]);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
