import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import loadWabt from 'wabt';
import type { Confinement } from '../common/confinement.js';
import { parseEnvironment } from '../config/index.js';
import { confineSandbox } from './sandbox-confinement.js';
import { SandboxPool, type PoolSizes } from './sandbox-pool.js';
import { SandboxProcess, type Job } from './sandbox-process.js';

const wabt = await loadWabt();
const { sandbox } = parseEnvironment({});
let confinement: Confinement;
let started: SandboxProcess[] = [];
let pool: SandboxPool;

beforeAll(async () => {
  confinement = await confineSandbox(sandbox);
});
afterEach(() => pool?.close());
afterAll(() => confinement.release());

function open(sizes: Partial<PoolSizes> = {}): SandboxPool {
  started = [];
  pool = new SandboxPool(
    () => {
      const process = new SandboxProcess(confinement, sandbox);
      started.push(process);
      return process;
    },
    { slots: 2, warm: 4, spares: 1, recycleAfterRuns: 100, recycleAboveBytes: 1e9, ...sizes },
  );
  return pool;
}

/** A job of the version `name`, which prints `1`, or loops for ever. */
function job(
  name: string,
  body = '(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))',
): Job {
  const text = `(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00")
    (data (i32.const 16) "1")
    (func (export "_start") ${body}))`;
  const module = new Uint8Array(wabt.parseWat(name, text).toBinary({}).buffer);
  return {
    sha256: name,
    module,
    input: Buffer.from('{}'),
    outputAs: 'text',
    environment: {},
    timeoutMs: 20_000,
    limits: sandbox,
  };
}

const looping = (name: string): Job => job(name, '(loop (br 0))');
const servedBy = (name: string): SandboxProcess[] => started.filter(({ boundTo }) => boundTo === name);
const DONE = { outcome: { end: 'completed', output: '1' } };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(5);
}

describe('the pool', () => {
  it('runs a version in the process that already has it, and two versions never in the same', async () => {
    open();
    for (let round = 0; round < 5; round++) {
      for (const name of ['a', 'b', 'c']) expect(await pool.run(job(name))).toMatchObject(DONE);
    }
    for (const name of ['a', 'b', 'c']) {
      expect(servedBy(name)).toHaveLength(1);
      expect(servedBy(name)[0].runs).toBe(5);
    }
  });

  it('lets no more run at once than it has slots, first come first served', async () => {
    open({ slots: 2 });
    const order: string[] = [];
    const blocker = new AbortController();
    const run = (name: string, work: Job) => pool.run(work, () => void order.push(name));
    const runs = [
      run('first', { ...looping('loop'), signal: blocker.signal }),
      run('second', { ...looping('loop'), signal: blocker.signal }),
      run('third', job('a')),
      run('fourth', job('a')),
    ];
    await until(() => order.length === 2);
    await Promise.all(started.map(({ ready }) => ready));
    expect(order).toEqual(['first', 'second']);
    blocker.abort();
    const ends = (await Promise.all(runs)).map(({ outcome }) => outcome.end);
    expect(ends).toEqual(['cancelled', 'cancelled', 'completed', 'completed']);
    expect(order).toEqual(['first', 'second', 'third', 'fourth']);
  });

  it('survives the death of a process in the middle of a run, and that of an idle one', async () => {
    open({ slots: 1 });
    const run = pool.run(looping('loop'));
    await until(() => servedBy('loop').length === 1);
    process.kill(servedBy('loop')[0].pid!, 'SIGKILL');
    expect((await run).outcome).toEqual({ end: 'crashed', reason: 'the sandbox process ended: killed by SIGKILL' });

    expect(await pool.run(job('a'))).toMatchObject(DONE);
    process.kill(servedBy('a')[0].pid!, 'SIGKILL');
    await servedBy('a')[0].gone;
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(servedBy('a')).toHaveLength(2);
  });

  it('replaces a killed process before anyone asks for it', async () => {
    open({ slots: 1 });
    expect((await pool.run({ ...looping('loop'), timeoutMs: 100 })).outcome).toMatchObject({ end: 'timed_out' });
    await servedBy('loop')[0].gone;
    await until(() => started.some((process) => process.usable && process.boundTo === undefined));
  });

  it('replaces a process after its number of runs', async () => {
    open({ slots: 1, recycleAfterRuns: 2 });
    for (let round = 0; round < 5; round++) expect(await pool.run(job('a'))).toMatchObject(DONE);
    // Processes become ready in any order.
    const runs = servedBy('a').map((process) => process.runs);
    expect(runs.sort()).toEqual([1, 2, 2]);
  });

  it('replaces a process that keeps more memory than it may', async () => {
    open({ slots: 1, recycleAboveBytes: 1 });
    for (let round = 0; round < 3; round++) expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(servedBy('a').map((process) => process.runs)).toEqual([1, 1, 1]);
  });

  it('keeps no more warm processes than it may, the least recently used going first', async () => {
    open({ slots: 1, warm: 2 });
    for (const name of ['a', 'b', 'a', 'c']) expect(await pool.run(job(name))).toMatchObject(DONE);
    expect(['a', 'b', 'c'].map((name) => servedBy(name)[0].usable)).toEqual([true, false, true]);
  });

  it('leaves no process behind when it closes, and rejects those who run and wait', async () => {
    open({ slots: 1 });
    const runs = [pool.run(looping('loop')), pool.run(job('a'))];
    const settled = Promise.allSettled(runs);
    await until(() => servedBy('loop').length === 1);
    await pool.close();
    for (const result of await settled) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'SANDBOX_UNAVAILABLE' } });
    }
    for (const { pid } of started) expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
    await expect(pool.run(job('a'))).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('says so when no process starts, instead of letting runs wait for ever', async () => {
    const ended = { spawn: () => confinement.spawn('ignore') } as unknown as Confinement;
    pool = new SandboxPool(() => new SandboxProcess(ended, sandbox), {
      slots: 1,
      warm: 1,
      spares: 1,
      recycleAfterRuns: 1,
      recycleAboveBytes: 1e9,
    });
    await expect(pool.run(job('a'))).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
  });
});

describe('a sandbox process', () => {
  it.each([
    ['a frame of four gigabytes', 'process.stdout.write(Buffer.alloc(100, 255))'],
    ['no JSON', 'process.stdout.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 120]))'],
    [
      'another message',
      'const m = Buffer.from(`{"kind":"load"}`); process.stdout.write(Buffer.from([m.length, 0, 0, 0, 0, 0, 0, 0, ...m]))',
    ],
  ])('that answers with %s is killed', async (_, answer) => {
    const script = `process.stdin.once('data', () => { ${answer} })`;
    const forger = { spawn: () => spawn(process.execPath, ['-e', script]) } as unknown as Confinement;
    const sandboxed = new SandboxProcess(forger, sandbox);
    sandboxed.ready.catch(() => undefined);
    const { outcome } = await sandboxed.execute(job('a'));
    expect(outcome).toEqual({ end: 'crashed', reason: expect.stringContaining('broke the protocol') });
    await sandboxed.gone;
  });
});
