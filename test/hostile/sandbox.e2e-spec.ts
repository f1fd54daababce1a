import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnvironment } from '../../src/config/index.js';
import { type RunRequest, SandboxService } from '../../src/execution/index.js';
import type { BlobStore } from '../../src/storage/index.js';
import { WasmValidator } from '../../src/validation/index.js';
import { good } from '../e2e/agents.js';
import { until } from '../support/until.js';
import { type Hostile, HOSTILE } from './modules.js';
import { canHaveEveryWall, sandboxProcesses, wallsOf } from './processes.js';

/**
 * Every hostile module, straight into the sandbox: what validation keeps out is let in here, since each wall has to
 * stand by itself.
 */
const SLOTS = 2;
const environment = parseEnvironment({
  SANDBOX_SLOTS: String(SLOTS),
  // More than any of them needs here, or a busy machine decides.
  VALIDATION_TIMEOUT_MS: '30000',
});
const blobs = new Map<string, Buffer>();
const sandbox = new SandboxService(
  { read: async (ref: string) => blobs.get(ref) } as BlobStore,
  environment.sandbox,
  environment.tasks,
);

/** Idle processes kept: spares and warm ones, and as many again on their way out. */
const MOST_PROCESSES = 2 * (SLOTS + SLOTS * 4 + 2);
/** A process that has done nothing takes some 45 MB; from version 22 of Node.js on 55, and some of its garbage stays longer. */
const AT_REST_BYTES = (Number.parseInt(process.versions.node, 10) >= 22 ? 130 : 90) * 1024 * 1024;

function stored(bytes: Uint8Array): RunRequest['binary'] {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  blobs.set(`test:${sha256}`, Buffer.from(bytes));
  return { sha256, ref: `test:${sha256}` };
}

let wellBehaved: RunRequest['binary'];

beforeAll(async () => {
  await sandbox.onModuleInit();
  wellBehaved = stored(await good());
});

afterAll(() => sandbox.onApplicationShutdown());

const run = (binary: RunRequest['binary'], more: Partial<RunRequest> = {}) =>
  sandbox.run({ binary, input: '{}', timeoutMs: 30_000, ...more });

const isLinux = process.platform === 'linux';

/** Spares are always there, or are being started; elsewhere than on Linux they cannot be seen. */
const memoryIsBack = (): boolean => {
  const processes = sandboxProcesses();
  return (processes.length > 0 || !isLinux) && processes.every(({ residentBytes }) => residentBytes < AT_REST_BYTES);
};

const expectService = async (): Promise<void> => {
  expect((await run(wellBehaved)).outcome).toEqual({ end: 'completed', output: '{"ok":true}' });
};

describe('an agent that', () => {
  it.each(HOSTILE.map((hostile) => [hostile.deed, hostile] as const))('%s', async (_, { module, ends, run: more }) => {
    const lines: string[] = [];
    const { outcome, metering } = await run(stored(await module()), { onLog: (line) => lines.push(line), ...more });
    expect(ends.map((end) => expect.objectContaining(end))).toContainEqual(outcome);
    const { maxMemoryPages, maxStderrLines, maxStderrBytes, maxOutputBytes } = environment.sandbox;
    expect(metering.peakMemoryBytes).toBeLessThanOrEqual(maxMemoryPages * 65_536);
    expect(metering.bytesOut).toBeLessThanOrEqual(maxOutputBytes);
    expect(lines.length).toBeLessThanOrEqual(maxStderrLines);
    expect(Buffer.byteLength(lines.join(''))).toBeLessThanOrEqual(3 * maxStderrBytes);

    await expectService();
    await until('memory is given back', memoryIsBack);
    expect(sandboxProcesses().length).toBeLessThanOrEqual(MOST_PROCESSES);
    blobs.clear();
    blobs.set(wellBehaved.ref, Buffer.from(await good()));
  });
});

describe('after all of them', () => {
  it('every process that is left holds no more memory than one that has done nothing', async () => {
    await expectService();
    await until('memory is given back', memoryIsBack);
  });

  it('no wall is missing where the machine has every one of them', () => {
    expect(canHaveEveryWall() ? sandbox.describe() : []).toEqual([]);
  });

  /** By the purposes that the sandbox names where one is missing, and what the kernel then says of a process. */
  const { maxCpuMs, recycleAfterRuns } = environment.sandbox;
  const WALLS: [string, object][] = [
    ['no network', { ownNetwork: true }],
    ['IPC and host name of its own', { ownIpc: true, ownHostName: true }],
    ['process ids of its own', { ownProcesses: true }],
    [
      'no file of the machine in sight',
      { rootFolders: expect.not.arrayContaining(['etc', 'home', 'proc', 'dev', 'root']) },
    ],
    ['filter of system calls', { filtered: true }],
    ['memory limit', { limits: { memoryBytes: expect.any(Number) } }],
    [
      'limits of CPU time, file size, core dumps and open files',
      {
        limits: {
          cpuSeconds: Math.ceil(maxCpuMs / 1000) * recycleAfterRuns,
          fileBytes: 0,
          coreBytes: 0,
          openFiles: 64,
        },
      },
    ],
    ['limit of processes', { limits: { processes: 16 } }],
    ['no new privileges', { noNewPrivileges: true }],
    ['user of its own', { uids: [expect.any(Number)], gids: [expect.any(Number)], groups: [] }],
    ['no capabilities', { capabilities: 0n }],
    // Of these nothing can be missing.
    ['nothing in the environment but the folder it starts in', { environment: expect.stringMatching(/^(PWD=\/\0)?$/) }],
    ['no files', { files: [] }],
    ['one thread for compiling', { poolThreads: 1 }],
  ];

  const isMissing = (purpose: string): boolean => sandbox.describe().some((line) => line.includes(`: ${purpose}`));
  const seenWalls = () =>
    until('the spare processes have gone through their launch line', () => {
      const processes = sandboxProcesses();
      return (
        processes.length > 0 && processes.every(({ launched }) => launched) && processes.map(({ pid }) => wallsOf(pid))
      );
    });

  it.each(WALLS)('%s: the kernel says so, or the sandbox that it is missing', async (purpose, wall) => {
    if (!isLinux) return expect(sandbox.describe()).not.toEqual([]);
    if (isMissing(purpose)) return;
    for (const walls of await seenWalls()) expect(walls).toMatchObject(wall);
  });

  it('no two processes are the same user, nor any the server’s, or the sandbox says so', async () => {
    if (!isLinux || isMissing('user of its own') || isMissing('protection from one another')) return;
    const uids = (await seenWalls()).flatMap((walls) => walls.uids);
    expect(new Set([process.getuid?.(), ...uids]).size).toBe(1 + uids.length);
  });

  it('no process outlives the sandbox', async () => {
    expect(sandboxProcesses().length > 0 || !isLinux).toBe(true);
    await sandbox.onApplicationShutdown();
    expect(sandboxProcesses()).toEqual([]);
  });
});

describe('validation', () => {
  let folder: string;
  let validator: WasmValidator;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hostile-'));
    validator = new WasmValidator(environment.validation);
    await validator.onModuleInit();
  });

  afterAll(async () => {
    await validator.onApplicationShutdown();
    await rm(folder, { recursive: true });
  });

  it('keeps out those it is said to keep out', async () => {
    const refusals = HOSTILE.filter(({ refused }) => refused);
    const letIn: string[] = [];
    const judge = async ({ deed, module }: Hostile): Promise<void> => {
      const bytes = await module();
      const path = join(folder, deed.replaceAll('/', ' '));
      await writeFile(path, bytes);
      const { is_valid } = await validator.validate({ path, size: bytes.length, sha256: deed }, 'owner');
      if (is_valid) letIn.push(deed);
    };
    await Promise.all(refusals.map(judge));
    expect(letIn).toEqual([]);
    expect(refusals.length).toBeGreaterThan(0);
  });
});
