import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { RunRequest } from '../../src/execution/index.js';
import { engine } from '../../src/execution/sandbox/engine.js';
import { HOSTILE } from '../../test/hostile/modules.js';
import { sandboxProcesses } from '../../test/hostile/processes.js';
import { wat } from '../../test/support/wat.js';
import type { Bench, Report } from '../bench.js';
import { bullmqProcessor, extismPlugin, type Peer, processPerRun, threadPerRun } from '../peer/sandboxes.js';
import { runInProcess } from '../peer/sandboxes/in-process.js';
import type { Backend } from '../support/services.js';
import { Sandbox, SLOTS } from '../support/sandbox.js';
import { type Figure, median, percentile } from '../support/statistics.js';

const WARM_UP_RUNS = 300;
/** A new process takes some fifty times as long as a run of ours. */
const SLOW_SHARE = 0.02;
const KILL_AFTER_MS = 100;
/** Each kind of hostile module that only a deadline ends has its turn several times. */
const KILLS_SHARE = 0.04;
const COLD_SHARE = 0.01;
/** After which a process that was used up has been replaced. */
const REPLACED_MS = 250;
const LARGE_SHARE = 0.1;

/** One agent run: by the sandbox, and by what one would take instead of it. No server, no database, no queue. */
export async function sandbox(bench: Bench, backend: Backend): Promise<Report> {
  const ours = await Sandbox.open();
  bench.onEnd(() => ours.close());
  const echo = await wat(ECHO);
  const small = ours.store(echo);
  const module = new engine.Module(echo);
  const peers = {
    'a Node.js process with node:wasi per run': {
      peer: await processPerRun(bench, echo),
      share: SLOW_SHARE,
      least: 20,
    },
    'a worker thread per run': { peer: await threadPerRun(echo), share: 5 * SLOW_SHARE, least: 1 },
    'BullMQ’s sandboxed processor': { peer: await bullmqProcessor(bench, echo, SLOTS), share: 5 * SLOW_SHARE },
    'an Extism plugin in its worker per run': { peer: await extismPlugin(), share: SLOW_SHARE },
  };
  const endless: RunRequest['binary'][] = [];
  for (const { module: make, ends } of HOSTILE) if (ends.every(isTimeout)) endless.push(ours.store(await make()));
  const killings = new Killings(ours, endless);
  await parallel(ours, small, WARM_UP_RUNS);

  const series: Record<string, { ours: number[]; peer: number[] }> = {};
  const note = (name: string, value: number, peer?: number): void => {
    const { ours: values, peer: others } = (series[name] ??= { ours: [], peer: [] });
    values.push(value);
    if (peer !== undefined) others.push(peer);
  };
  const { rounds, runs } = bench.scale;
  for (let round = 0; round < rounds; round++) {
    const warm = await timed(runs, () => ours.run(small, '{}'));
    const own = await timed(runs, async () => runInProcess(module, Buffer.from('{}')));
    note('warm run, p50', percentile(warm, 0.5), percentile(own, 0.5));
    note('warm run, p99', percentile(warm, 0.99), percentile(own, 0.99));
    note('warm run beyond the module’s own time, p50', percentile(warm, 0.5) - percentile(own, 0.5));

    const cold: number[] = [];
    while (cold.length < runs * COLD_SHARE) {
      await pause(REPLACED_MS);
      cold.push(...(await timed(1, () => ours.run(ours.store(another(echo)), '{}'))));
    }
    note('first run of a version, p50', percentile(cold, 0.5));
    note('first run of a version, p99', percentile(cold, 0.99));
    const coldRow = await timed(runs * COLD_SHARE, () => ours.run(ours.store(another(echo)), '{}'));
    note('first runs of versions without a pause, p50', percentile(coldRow, 0.5));

    for (const [size, bytes] of Object.entries(SIZES)) {
      const input = JSON.stringify('x'.repeat(bytes - 2));
      const large = await timed(runs * LARGE_SHARE, () => ours.run(small, input));
      const threads = await timed(runs * SLOW_SHARE, () => peers['a worker thread per run'].peer.run(input));
      note(`${size} in and out, p50`, percentile(large, 0.5), percentile(threads, 0.5));
    }

    for (const [name, { peer, share }] of Object.entries(peers)) {
      const rate = await parallel(ours, small, runs);
      note(`runs at ${SLOTS} at a time, against ${name}`, rate, await rateOf(peer, runs * share));
    }

    const late = await killings.next(runs * KILLS_SHARE);
    note('past the deadline when killed, p50', percentile(late, 0.5));
    note('past the deadline when killed, p99', percentile(late, 0.99));
    note('memory of a warm process of its own', median(privateMegabytes()));
  }
  await Promise.all(Object.values(peers).map(({ peer }) => peer.stop()));
  await ours.close();

  const aims: Record<string, Figure['aim']> = {
    'warm run beyond the module’s own time, p50': { below: 1 },
    'past the deadline when killed, p99': { below: 100 },
    ...Object.fromEntries(
      Object.entries(peers).flatMap(([name, entry]) =>
        'least' in entry ? [[`runs at ${SLOTS} at a time, against ${name}`, { atLeastOfPeer: entry.least }]] : [],
      ),
    ),
  };
  const unitOf = (name: string): Figure['unit'] =>
    name.startsWith('runs') ? '/s' : name.startsWith('memory') ? 'MB' : 'ms';
  const figures = Object.entries(series).map(([name, values]): Figure => ({
    suite: 'sandbox',
    backend,
    name,
    unit: unitOf(name),
    ours: values.ours,
    ...(values.peer.length > 0 && { peer: values.peer }),
    aim: aims[name],
  }));
  return { figures, costs: [] };
}

const isTimeout = (end: object): boolean => 'end' in end && end.end === 'timed_out';

const SIZES = { '1 KB': 1000, '1 MB': 1_000_000 };

/** @returns runs per second, as many at a time as there are slots */
const parallel = (sandbox: Sandbox, binary: RunRequest['binary'], count: number): Promise<number> =>
  rateOf({ run: async (input) => (await sandbox.run(binary, input)).outcome.end, stop: async () => undefined }, count);

/** Kills runs of `binaries`, one after the other. Each binary runs until it is killed. */
class Killings {
  private killed = 0;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly binaries: RunRequest['binary'][],
  ) {}

  /** Goes on with the binary where it stopped the last time. @returns by how much each run outlived its deadline, ms */
  async next(count: number): Promise<number[]> {
    const late: number[] = [];
    while (late.length < count) {
      const binary = this.binaries[this.killed++ % this.binaries.length];
      const request = { binary, input: '{}', timeoutMs: KILL_AFTER_MS };
      const { outcome, metering } = await this.sandbox.service.run(request);
      if (outcome.end !== 'timed_out') throw new Error(JSON.stringify(outcome));
      late.push(metering.wallMs - KILL_AFTER_MS);
    }
    return late;
  }
}

/** Memory that each living sandbox process shares with no other, MB. */
function privateMegabytes(): number[] {
  return sandboxProcesses().flatMap(({ pid }) => {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      const kilobytes = [...rollup.matchAll(/^Private_\w+:\s*(\d+) kB$/gm)].map(([, value]) => Number(value));
      return [kilobytes.reduce((sum, value) => sum + value, 0) / 1024];
    } catch (error) {
      // The process was killed a moment ago.
      if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
      throw error;
    }
  });
}

async function timed(count: number, act: () => Promise<unknown>): Promise<number[]> {
  const values: number[] = [];
  while (values.length < count) {
    const start = performance.now();
    await act();
    values.push(performance.now() - start);
  }
  return values;
}

/** @returns runs per second, `SLOTS` at a time */
async function rateOf(peer: Peer, count: number): Promise<number> {
  const start = performance.now();
  let begun = 0;
  const one = async (): Promise<void> => {
    while (begun++ < count) await peer.run('{}');
  };
  await Promise.all(Array.from({ length: SLOTS }, one));
  return (count / (performance.now() - start)) * 1000;
}

/** The same agent as another version: with a custom section that no other has. */
const another = (wasm: Uint8Array): Buffer => Buffer.concat([wasm, Uint8Array.of(0, 10, 1, 0x78), randomBytes(8)]);

/** Reads all of its input, in pieces as large as its memory, and writes it to its output. */
const ECHO = `
  (module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "_start")
      (loop $more
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 65536))
        (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
        (br_if $more (i32.load (i32.const 8))))))`;
