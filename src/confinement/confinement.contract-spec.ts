import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { type Wall, WALL_NAMES } from '../common/walls.js';
import { confine, type Confinement } from './confinement.js';
import { describeEnd } from './ending.js';

/** A child that reports what it can do; its second script is in a folder beside it. */
const ENTRY = `
import { readFileSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import vm, { Script } from 'node:vm';
import { PORT } from '../beside/port.js';
const attempt = (act) => { try { act(); return 'done'; } catch (error) { return error.code ?? error.name; } };
const report = {
  environment: process.env,
  uid: process.getuid?.(),
  entry: process.argv[1],
  read: attempt(() => readFileSync('/etc/hosts')),
  write: attempt(() => writeFileSync('/tmp/zerostate-escape', '')),
  evaluate: attempt(() => new Function('return 1')()),
  compile: attempt(() => vm.runInThisContext('1')),
  script: attempt(() => new Script('1')),
  bind: attempt(() => process.binding('contextify')),
};
const socket = connect(PORT, '127.0.0.1');
const finish = (network) => { writeSync(1, JSON.stringify({ ...report, network })); process.exit(0); };
socket.on('connect', () => finish('done'));
socket.on('error', (error) => finish(error.code));
`;

/** Tells its user, then tries to kill the process whose id it reads. */
const RIVAL = `
import { writeSync } from 'node:fs';
process.stdin.once('data', (pid) => {
  try { process.kill(Number(pid), 'SIGKILL'); writeSync(1, 'done'); } catch (error) { writeSync(1, error.code); }
});
writeSync(1, String(process.getuid?.()));
`;

const request = { heapMb: 64, memoryBytes: 384_000_000, cpuSeconds: 10 };
/** Where a test is about walls of Node.js, these need not be put up. */
const KERNEL_WALLS = WALL_NAMES.filter((wall) => !['heap', 'permissions', 'code', 'wasm'].includes(wall));
const server = createServer();
let sources: string;
let confinement: Confinement;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  sources = await mkdtemp(join(tmpdir(), 'confinement-spec-'));
  const entry = join(sources, 'main', 'entry.js');
  const beside = join(sources, 'beside', 'port.js');
  await mkdir(dirname(entry));
  await mkdir(dirname(beside));
  await writeFile(entry, ENTRY);
  await writeFile(beside, `export const PORT = ${(server.address() as AddressInfo).port};`);
  confinement = await confine({ ...request, scripts: [entry, beside].map((path) => pathToFileURL(path)) });
});
afterAll(async () => {
  server.close();
  await confinement.release();
  await rm(sources, { recursive: true });
});

const without = (wall: Wall): boolean => confinement.missing.some((missing) => missing.wall === wall);

const nextOutput = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString())));

async function report() {
  const child = confinement.spawn(['ignore', 'pipe', 'inherit']);
  return JSON.parse(await text(child.stdout!)) as Record<string, unknown>;
}

describe('a confined child', () => {
  it('runs its scripts from their copies, with no environment, no files and no code from strings', async () => {
    const { entry, ...rest } = await report();
    expect(entry).toMatch(/zerostate-confined-.*main.entry\.js$/);
    // bwrap sets PWD to the folder that the child starts in: the root.
    expect([{}, { PWD: '/' }]).toContainEqual(rest.environment);
    expect(rest).toMatchObject({
      read: 'ERR_ACCESS_DENIED',
      write: 'ERR_ACCESS_DENIED',
      evaluate: 'EvalError',
      compile: 'TypeError',
      script: 'TypeError',
      bind: 'TypeError',
    });
  });

  it('has a user and a network of its own, or the confinement says that it has not', async () => {
    const { uid, network } = await report();
    expect(uid === process.getuid?.()).toBe(without('user'));
    expect(network === 'done').toBe(without('network'));
  });

  it('can neither end nor read another one, or the confinement says that it can', async () => {
    const rival = join(sources, 'rival.js');
    await writeFile(rival, RIVAL);
    const rivals = await confine({ ...request, scripts: [pathToFileURL(rival)] });
    const [attacker, victim] = [0, 1].map(() => rivals.spawn(['pipe', 'pipe', 'inherit']));
    try {
      const [uid] = await Promise.all([attacker, victim].map(nextOutput));
      // Node.js keeps files from its own scripts only: what has broken out of it asks the kernel.
      const reads =
        process.getuid?.() === 0 &&
        spawnSync('setpriv', [
          `--reuid=${uid}`,
          `--regid=${uid}`,
          '--clear-groups',
          'cat',
          `/proc/${rivals.pidOf(victim)}/maps`,
        ]).status === 0;
      attacker.stdin!.write(String(victim.pid));
      const kills = await nextOutput(attacker);
      const unprotected = without('pids') && (without('user') || without('neighbours'));
      expect({ kills, reads }).toEqual(
        unprotected
          ? { kills: 'done', reads: expect.any(Boolean) }
          : // In a PID namespace of its own there is no such process.
            { kills: expect.stringMatching(/^(ESRCH|EPERM)$/), reads: false },
      );
    } finally {
      for (const child of [attacker, victim]) child.kill('SIGKILL');
      await rivals.release();
    }
  });

  it('cannot outgrow its CPU time', async () => {
    const loop = join(sources, 'loop.js');
    await writeFile(loop, 'for (;;);');
    const limited = await confine({ ...request, scripts: [pathToFileURL(loop)], cpuSeconds: 1 });
    const child = limited.spawn('ignore');
    if (limited.missing.some(({ wall }) => wall === 'limits')) child.kill('SIGKILL');
    const end = await new Promise((resolve) => child.once('exit', (code, by) => resolve(describeEnd(code, by))));
    expect(['killed by SIGXCPU', 'killed by SIGKILL']).toContain(end);
    await limited.release();
  });
});

describe('a confinement', () => {
  it('finds out by measuring which walls are not there', async () => {
    if (process.platform !== 'linux') return;
    const beside = pathToFileURL(join(sources, 'beside', 'port.js'));
    const open = await confine({ ...request, scripts: [beside], without: WALL_NAMES });
    const found = open.missing.map(({ wall }) => wall);
    expect(found).toEqual(
      expect.arrayContaining(['network', 'ipc', 'pids', 'files', 'syscalls', 'memory', 'limits', 'user']),
    );
    await open.release();
  });

  it('copies its scripts again when somebody has cleaned them away', async () => {
    const entry = (await report()).entry as string;
    await rm(entry);
    expect(await report()).toMatchObject({ entry });
    await rm(dirname(dirname(entry)), { recursive: true });
    expect(await report()).toMatchObject({ entry });
  });

  it('clears away what a killed process has left, and nothing of one that lives', async () => {
    const ended = spawnSync(process.execPath, ['--version']);
    const ours = dirname(dirname((await report()).entry as string));
    const left = ours.replace(`-${process.pid}-`, `-${ended.pid}-`);
    const ofAnotherNamespace = left.replace(/confined-\d+/, 'confined-1');
    for (const folder of [left, ofAnotherNamespace]) await mkdir(folder);
    const another = await confine({ ...request, scripts: [pathToFileURL(join(sources, 'beside', 'port.js'))] });
    expect([left, ofAnotherNamespace, ours].map((folder) => existsSync(folder))).toEqual([false, true, true]);
    await another.release();
    await rm(ofAnotherNamespace, { recursive: true });
  });

  it('removes the copies when it is released', async () => {
    const { entry } = await report();
    expect(existsSync(entry as string)).toBe(true);
    await confinement.release();
    expect(existsSync(entry as string)).toBe(false);
  });

  it('does without a measure with which the system starts no process, and names it', async () => {
    const beside = pathToFileURL(join(sources, 'beside', 'port.js'));
    const endless = 'x'.repeat(10_000_000) as unknown as number;
    const limited = await confine({
      ...request,
      scripts: [beside],
      wasmMaxTableElements: endless,
      without: KERNEL_WALLS,
    });
    expect(limited.missing).toContainEqual({ wall: 'wasm', reason: 'spawn E2BIG' });
    await limited.release();
  });

  it('cannot be had where Node.js does not start', async () => {
    const { execPath } = process;
    process.execPath = '/bin/false';
    try {
      const scripts = [pathToFileURL(join(sources, 'beside', 'port.js'))];
      await expect(confine({ ...request, without: KERNEL_WALLS, scripts })).rejects.toMatchObject({
        kind: 'internal',
        code: 'CONFINEMENT_FAILED',
      });
    } finally {
      process.execPath = execPath;
    }
  });
});

describe('a trial that takes too long', () => {
  const { execPath } = process;
  let folder: string;
  /** While it exists, Node.js hangs behind one of the walls. */
  let slow: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'confinement-spec-'));
    await chmod(folder, 0o755);
    slow = join(folder, 'slow');
    await writeFile(slow, '');
    const hangs = `[ -e ${slow} ] && case "$*" in *--no-addons*) exec sleep 60;; esac`;
    process.execPath = join(folder, 'node');
    await writeFile(process.execPath, `#!/bin/sh\n${hangs}\nexec ${execPath} "$@"\n`, { mode: 0o755 });
  });
  afterEach(async () => {
    process.execPath = execPath;
    await rm(folder, { recursive: true });
  });

  // Node.js is a shell script here, and the empty root folder has no shell.
  const confineSlowly = (ms: number): Promise<Confinement> =>
    confine({ ...request, without: KERNEL_WALLS, scripts: [pathToFileURL(join(sources, 'beside', 'port.js'))] }, ms);

  it('twice is no reason to go without a wall', async () => {
    await expect(confineSlowly(300)).rejects.toMatchObject({ code: 'CONFINEMENT_FAILED' });
  });

  it('once is repeated', async () => {
    setTimeout(() => rmSync(slow), 1000);
    const confined = await confineSlowly(5000);
    expect(confined.missing.map(({ wall }) => wall)).not.toContain('code');
    await confined.release();
  });
});
