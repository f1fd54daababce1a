import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import loadWabt from 'wabt';
import type { Confinement } from '../confinement/index.js';
import { parseEnvironment } from '../config/index.js';
import { confineSandbox } from './sandbox-confinement.js';
import { SandboxPool, type PoolSizes } from './sandbox-pool.js';
import type { RunPlace } from './run.js';
import type { Job } from './current-run.js';
import { SandboxProcess } from './sandbox-process.js';

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
    { slots: 2, warm: 4, warmBytes: 1e9, spares: 1, recycleAfterRuns: 100, recycleAboveBytes: 1e9, ...sizes },
  );
  return pool;
}

/** A job of the version `name`, which prints `1`, or loops for ever. */
function job(
  name: string,
  body = '(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))',
  { imports = '', data = '' } = {},
): Job {
  const text = `(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    ${imports}
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\01\\00\\00\\00")
    (data (i32.const 16) "1")
    ${data}
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

/** What a parked run waits for. */
let answers: { first: Promise<void>; give: () => void };
beforeEach(() => {
  let give = (): void => undefined;
  answers = { first: new Promise((resolve) => (give = resolve)), give: () => give() };
});

/** A job that makes one call of the host, then prints `1`. */
const calling = (serve: (place: RunPlace) => Promise<void>): Job => {
  const imports = '(import "zerostate" "call" (func $call (param i32 i32 i32 i32) (result i32)))';
  const print = '(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))';
  const made = job('calling', `(drop (call $call (i32.const 32) (i32.const 6) (i32.const 0) (i32.const 0))) ${print}`, {
    imports,
    data: '(data (i32.const 32) "kv.get")',
  });
  const answer = (_n: number, _name: string, _request: Uint8Array, place: RunPlace) =>
    serve(place).then(() => Buffer.from('{}'));
  return { ...made, hostCalls: { methods: ['kv.get'], maxCalls: 1, maxRequestBytes: 10, answer } };
};

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

  it('gives the slot of a parked run to others, and the next free one back to it first', async () => {
    open({ slots: 1 });
    const order: string[] = [];
    const parked = calling(async ({ park, unpark }) => {
      park();
      await answers.first;
      order.push('answered');
      await unpark();
      order.push('goes on');
    });
    const first = pool.run({ ...parked, timeoutMs: 300 });
    await until(() => pool.figures().parked === 1);
    // Longer than the time limit of the parked run.
    const blocker = pool.run({ ...looping('loop'), timeoutMs: 500 }, () => void order.push('other'));
    const last = pool.run(job('a'), () => void order.push('last'));
    await until(() => order.includes('other'));
    answers.give();
    expect((await blocker).outcome.end).toBe('timed_out');
    const { outcome, metering } = await first;
    expect([outcome.end, metering.wallMs < 300]).toEqual(['completed', true]);
    expect(await last).toMatchObject(DONE);
    expect(order).toEqual(['other', 'answered', 'goes on', 'last']);
    expect(pool.figures()).toMatchObject({ running: 0, parked: 0, waiting: 0 });
  });

  it('ends a parked run that is cancelled or whose process dies, and no slot is lost', async () => {
    open({ slots: 1 });
    const cancel = new AbortController();
    const forever = calling(async ({ park }) => {
      park();
      await new Promise(() => undefined);
    });
    const cancelled = pool.run({ ...forever, signal: cancel.signal });
    await until(() => pool.figures().parked === 1);
    cancel.abort();
    expect((await cancelled).outcome.end).toBe('cancelled');
    const dead = pool.run(forever);
    await until(() => pool.figures().parked === 1);
    process.kill(servedBy('calling').find(({ usable }) => usable)!.pid!, 'SIGKILL');
    expect((await dead).outcome.end).toBe('crashed');
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(pool.figures()).toMatchObject({ running: 0, parked: 0, waiting: 0 });
  });

  it('ends a parked run that is cancelled while it waits for a slot', async () => {
    open({ slots: 1 });
    const cancel = new AbortController();
    const work = calling(async ({ park, unpark }) => {
      park();
      await answers.first;
      await unpark();
    });
    const waits = pool.run({ ...work, signal: cancel.signal });
    await until(() => pool.figures().parked === 1);
    const blocker = pool.run({ ...looping('loop'), timeoutMs: 500 });
    await until(() => pool.figures().running === 1);
    answers.give();
    await until(() => pool.figures().waiting === 1);
    cancel.abort();
    expect((await waits).outcome.end).toBe('cancelled');
    expect((await blocker).outcome.end).toBe('timed_out');
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(pool.figures()).toMatchObject({ running: 0, parked: 0, waiting: 0 });
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

  it('replaces a process right after the run in which it grew, whatever it says of itself', async () => {
    const hoard = 'const hoard = Buffer.alloc(150e6, 1);';
    pool = forged(`${hoard} ${REPORT}; once(() => report('1'), hoard)`, { recycleAboveBytes: 110e6 });
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    expect(servedBy('a').map((process) => process.runs)).toEqual([1, 1]);
  });

  it('keeps a process that gave back the memory of its run', async () => {
    open({ slots: 1, recycleAboveBytes: 110e6 });
    const large = job(
      'a',
      `(drop (memory.grow (i32.const 1900))) (memory.fill (i32.const 65536) (i32.const 1) (i32.const 124518400))
       (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))`,
    );
    for (let round = 0; round < 3; round++) expect(await pool.run(large)).toMatchObject(DONE);
    expect(servedBy('a').map((process) => process.runs)).toEqual([3]);
  });

  it('takes another process when the one it had dies before it is handed the run', async () => {
    open({ slots: 1, spares: 1 });
    expect(await pool.run(job('a'))).toMatchObject(DONE);
    const [first] = servedBy('a');
    const killFirst = async (): Promise<void> => {
      process.kill(first.pid!, 'SIGKILL');
      await first.gone;
    };
    expect(await pool.run(job('a'), killFirst)).toMatchObject(DONE);
    expect(servedBy('a').map((process) => process.runs)).toEqual([1, 1]);
  });

  it('gives a slot back once when there is no other process to take', async () => {
    let sick = false;
    const unwell = { ...faked, spawn: () => (sick ? confinement.spawn('ignore') : confinement.spawn('pipe')) };
    pool = new SandboxPool(
      () => {
        const process = new SandboxProcess(unwell as unknown as Confinement, sandbox);
        started.push(process);
        return process;
      },
      { slots: 1, warm: 1, warmBytes: 1e9, spares: 1, recycleAfterRuns: 100, recycleAboveBytes: 1e9 },
    );
    const dying = async (): Promise<void> => {
      sick = true;
      for (const process of started) process.kill();
      await Promise.all(started.map(({ gone }) => gone));
    };
    started = [];
    await expect(pool.run(job('a'), dying)).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
    expect(pool.figures().running).toBe(0);
  });

  it('gives a slot back at once when a run is cancelled while its start is prepared', async () => {
    open({ slots: 1 });
    const abort = new AbortController();
    const prepared = pool.run({ ...job('a'), signal: abort.signal }, () => {
      abort.abort();
      return new Promise(() => undefined);
    });
    expect((await prepared).outcome).toEqual({ end: 'cancelled' });
    expect(await pool.run(job('a'))).toMatchObject(DONE);
  });

  it('keeps no more warm processes than it may, the least recently used going first', async () => {
    open({ slots: 1, warm: 2 });
    for (const name of ['a', 'b', 'a', 'c']) expect(await pool.run(job(name))).toMatchObject(DONE);
    expect(['a', 'b', 'c'].map((name) => servedBy(name)[0].usable)).toEqual([true, false, true]);
  });

  it('keeps no more warm processes than may stay by their memory, the least recently used going first', async () => {
    const hoard = 'const hoard = Buffer.alloc(150e6, 1);';
    pool = forged(`${hoard} ${REPORT}; process.stdin.on('data', () => report('1'), hoard)`, {
      warm: 4,
      warmBytes: 450e6,
    });
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
    // One that was still starting has no process id yet. The kernel ends what is inside a namespace a moment later.
    await until(() => started.every(({ pid }) => !pid || !exists(pid)));
    await expect(pool.run(job('a'))).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('says so when no process starts, instead of letting runs wait for ever', async () => {
    const ended = { ...faked, spawn: () => confinement.spawn('ignore') } as unknown as Confinement;
    pool = new SandboxPool(() => new SandboxProcess(ended, sandbox), {
      slots: 1,
      warm: 1,
      warmBytes: 1e9,
      spares: 1,
      recycleAfterRuns: 1,
      recycleAboveBytes: 1e9,
    });
    await expect(pool.run(job('a'))).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
  });

  it('pauses after a start that the system refuses, and serves again once it does not', async () => {
    let attempts = 0;
    let refused = true;
    const refusing = {
      ...faked,
      spawn: () => {
        attempts++;
        return refused ? spawn('/nowhere') : confinement.spawn('pipe');
      },
    } as unknown as Confinement;
    pool = new SandboxPool(() => new SandboxProcess(refusing, sandbox), {
      slots: 2,
      warm: 1,
      warmBytes: 1e9,
      spares: 2,
      recycleAfterRuns: 1,
      recycleAboveBytes: 1e9,
    });
    await expect(pool.run(job('a'))).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
    // Two spares and one for the run, at once and after a pause: four that fail are what it takes for giving up.
    expect(attempts).toBe(6);
    refused = false;
    expect(await pool.run(job('a'))).toMatchObject(DONE);
  });
});

/** For scripts that speak the protocol: `frame`, `report`, and `once`, which acts when a run comes. */
const REPORT = `
  function frame(header, payload = '') {
    const head = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeUInt32LE(head.length, 0);
    prefix.writeUInt32LE(payload.length, 4);
    process.stdout.write(Buffer.concat([prefix, head, Buffer.from(payload)]));
  }
  const usage = { cpuMs: 1, peakMemoryBytes: 0, bytesOut: 1, hostCalls: 1 };
  const report = (output, more) =>
    frame({ kind: 'report', outcome: { end: 'completed' }, usage: { ...usage, ...more } }, output);
  const once = (act) => process.stdin.once('data', act);
  frame({ kind: 'ready' })`;

/** What an agent could put in its process's place once it has broken out. */
const faked = { pidOf: (child: ChildProcess) => confinement.pidOf(child) };

const forger = (script: string): Confinement =>
  ({
    spawn: () => spawn(process.execPath, ['-e', script], { detached: true }),
    pidOf: (child: ChildProcess) => child.pid,
  }) as unknown as Confinement;

function forged(script: string, sizes: Partial<PoolSizes> = {}): SandboxPool {
  started = [];
  return new SandboxPool(
    () => {
      const process = new SandboxProcess(forger(script), sandbox);
      started.push(process);
      return process;
    },
    { slots: 1, warm: 1, warmBytes: 1e9, spares: 1, recycleAfterRuns: 100, recycleAboveBytes: 1e9, ...sizes },
  );
}

describe('a sandbox process', () => {
  it.each([
    ['a frame of four gigabytes', 'process.stdout.write(Buffer.alloc(100, 255))'],
    ['no JSON', 'process.stdout.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 120]))'],
    ['another message', `frame({ kind: 'load' })`],
    ['a second `ready`', `frame({ kind: 'ready' })`],
    ['a payload beside a log line', `frame({ kind: 'log', lines: ['x'] }, 'x')`],
    ['a log without lines', `frame({ kind: 'log', lines: [] })`],
    ['more log lines than are kept', `frame({ kind: 'log', lines: Array(1001).fill('') })`],
    ['more log bytes than are kept', `for (const _ of '12') frame({ kind: 'log', lines: ['x'.repeat(40_000)] })`],
    [
      'headers that are padded',
      `for (let n = 0; n < 9; n++) frame({ kind: 'log', lines: ['x'], pad: ' '.repeat(6e4) })`,
    ],
    ['a log line that clears the screen', String.raw`frame({ kind: 'log', lines: ['\u001b[2J'] })`],
    ['half a surrogate pair for a header', String.raw`process.stdout.write(Buffer.from('\x04\0\0\0\0\0\0\0😀'))`],
    ['more memory than it may have', `report('1', { peakMemoryBytes: 1e300 })`],
    ['a page of memory beyond its limit', `report('1', { peakMemoryBytes: 2049 * 65536 })`],
    ['half a byte of output', `report('1', { bytesOut: 0.5 })`],
    ['more output than it may write', `report('1', { bytesOut: 6e6 })`],
    ['more host calls than can be counted', `report('1', { hostCalls: 2 ** 53 })`],
    ['more processor time than it has had', `report('1', { cpuMs: 29_000 })`],
    ['a flood on its standard error', `process.stderr.write('x'.repeat(300_000))`],
    ['an output that is not JSON', `report('x'.repeat(100_000))`],
    ['an output that is not UTF-8', `report('"') ; report(Buffer.from([34, 255, 34]))`],
    ['an output that is cut off', `report('[1')`],
    ['an output that nests without end', `report('['.repeat(50_000) + ']'.repeat(50_000))`],
    ['a raw control character in its output', String.raw`report('"\u0001"')`],
  ])('that answers with %s is killed', async (_, answer) => {
    const sandboxed = new SandboxProcess(forger(`${REPORT}; once(() => { ${answer} })`), sandbox);
    await sandboxed.ready;
    const { outcome } = await sandboxed.execute(job('a'));
    expect(outcome).toEqual({ end: 'crashed', reason: expect.stringContaining('broke the protocol') });
    expect((outcome as { reason: string }).reason).toMatch(/^[^\p{Cs}\p{Cc}]+$/u);
    await sandboxed.gone;
  });

  it.each([
    ['of a method that the run may not call', `frame({ kind: 'call', n: 0, name: 'kv.put' })`],
    ['out of turn', `frame({ kind: 'call', n: 1, name: 'kv.get' })`],
    ['before the answer to the one before', `for (const n of [0, 1]) frame({ kind: 'call', n, name: 'kv.get' }, '{}')`],
    ['that is larger than agreed', `frame({ kind: 'call', n: 0, name: 'kv.get' }, 'x'.repeat(101))`],
    ['and a report before its answer', `frame({ kind: 'call', n: 0, name: 'kv.get' }); report('1')`],
    ['without a name', `frame({ kind: 'call', n: 0 })`],
    ['and an answer of its own', `frame({ kind: 'answer', n: 0 })`],
  ])('that makes a call %s is killed', async (_, act) => {
    const sandboxed = new SandboxProcess(forger(`${REPORT}; once(() => { ${act} })`), sandbox);
    await sandboxed.ready;
    const hostCalls = {
      methods: ['kv.get'],
      maxCalls: 10,
      maxRequestBytes: 100,
      answer: () => new Promise<never>(() => undefined),
    };
    const { outcome } = await sandboxed.execute({
      ...job('a'),
      limits: { ...job('a').limits, maxOutputBytes: 50 },
      hostCalls,
    });
    expect(outcome).toEqual({ end: 'crashed', reason: expect.stringContaining('broke the protocol') });
    await sandboxed.gone;
  });

  it('that makes a call in a run without any is killed', async () => {
    const sandboxed = new SandboxProcess(
      forger(`${REPORT}; once(() => frame({ kind: 'call', n: 0, name: 'kv.get' }))`),
      sandbox,
    );
    await sandboxed.ready;
    expect((await sandboxed.execute(job('a'))).outcome).toMatchObject({ end: 'crashed' });
    await sandboxed.gone;
  });

  it('that answers with a document of bytes that is no JSON is killed', async () => {
    const sandboxed = new SandboxProcess(forger(`${REPORT}; once(() => report('{]'))`), sandbox);
    await sandboxed.ready;
    const { outcome } = await sandboxed.execute({ ...job('a'), outputAs: 'bytes' });
    expect(outcome).toEqual({ end: 'crashed', reason: expect.stringContaining('not JSON') });
    await sandboxed.gone;
  });

  it('that sends a payload before it has a run is killed', async () => {
    const sandboxed = new SandboxProcess(forger(`${REPORT.replace("'ready' }", "'ready' }, 'x'")}`), sandbox);
    await expect(sandboxed.ready).rejects.toThrow();
    await sandboxed.gone;
  });

  it('that does not become ready in time is killed', async () => {
    const sandboxed = new SandboxProcess(forger('setInterval(() => undefined, 1000)'), sandbox, 100);
    await expect(sandboxed.ready).rejects.toThrow('not ready within 100 ms');
    await sandboxed.gone;
  });

  /** Forks a process that holds all streams, and tells its id as the output. */
  const forks = (detached: boolean): string =>
    `${REPORT}; once(() => {
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'],
        { stdio: 'inherit', detached: ${detached} });
      report(String(child.pid));
    })`;

  it('is killed with what it has forked', async () => {
    const sandboxed = new SandboxProcess(forger(forks(false)), sandbox);
    await sandboxed.ready;
    const { outcome } = await sandboxed.execute(job('a'));
    const forked = Number((outcome as { output: string }).output);
    sandboxed.kill();
    await sandboxed.gone;
    await until(() => isDead(forked));
  });

  it('is gone once it is dead, though what it has forked holds its streams', async () => {
    const sandboxed = new SandboxProcess(forger(forks(true)), sandbox);
    await sandboxed.ready;
    const { outcome } = await sandboxed.execute(job('a'));
    const forked = Number((outcome as { output: string }).output);
    try {
      sandboxed.kill();
      await sandboxed.gone;
      expect(isDead(forked)).toBe(false);
    } finally {
      process.kill(forked, 'SIGKILL');
    }
  });
});

/** Also of one that nobody has reaped, as in a container without an init. */
function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
