import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { brotliDecompressSync } from 'node:zlib';
import { componentAgent } from '../../test/support/components.js';
import { good } from '../../test/e2e/agents.js';
import type { Bench, Report } from '../bench.js';
import { Sandbox } from '../support/sandbox.js';
import { type Figure, median, percentile } from '../support/statistics.js';

const WARM_SHARE = 0.1;
const COLD_SHARE = 0.01;
const WARM_UP_RUNS = 20;
/** After which a process that was used up has been replaced. */
const REPLACED_MS = 250;
const INPUT = '{"text":"Ada"}';
const AIMS = { warm: { below: 10 }, cold: { below: 200 } };

/** Components of three toolchains, warm and cold, with their CPU time; and what a component costs beside a module. */
export async function components(bench: Bench): Promise<Report> {
  const sandbox = await Sandbox.open();
  bench.onEnd(() => sandbox.close());
  const programs = {
    'C command': await fixture('command.wasm'),
    'Rust command': await fixture('rust.wasm'),
    'JavaScript (StarlingMonkey)': brotliDecompressSync(await fixture('javascript.wasm.br')),
  };
  const series: Record<string, Pick<Figure, 'ours' | 'aim' | 'peer'>> = {};
  const note = (name: string, value: number, aim?: Figure['aim'], peer?: number): void => {
    const one = (series[name] ??= { ours: [], aim, ...(peer !== undefined && { peer: [] }) });
    one.ours.push(value);
    if (peer !== undefined) one.peer!.push(peer);
  };
  const timed = async (bytes: Uint8Array, count: number, cold: boolean) => {
    const wall: number[] = [];
    const cpu: number[] = [];
    let binary = sandbox.store(bytes);
    while (wall.length < count) {
      if (cold) {
        binary = sandbox.store(another(bytes));
        await pause(REPLACED_MS);
      }
      const begun = performance.now();
      const { metering } = await sandbox.run(binary, INPUT);
      wall.push(performance.now() - begun);
      cpu.push(metering.cpuMs);
    }
    return { wall: percentile(wall, 0.5), cpu: median(cpu) };
  };
  const echo = componentAgent();
  const module = await good();
  for (let round = 0; round < bench.scale.rounds; round++) {
    for (const [name, bytes] of Object.entries(programs)) {
      await timed(bytes, WARM_UP_RUNS, false);
      const warm = await timed(bytes, bench.scale.runs * WARM_SHARE, false);
      note(`${name}: warm run, p50`, warm.wall, AIMS.warm);
      note(`${name}: CPU of a warm run`, warm.cpu);
      const cold = await timed(bytes, Math.max(3, bench.scale.runs * COLD_SHARE), true);
      note(`${name}: first run in a process, p50`, cold.wall, AIMS.cold);
      note(`${name}: CPU of a first run`, cold.cpu);
    }
    for (const bytes of [echo, module]) await timed(bytes, WARM_UP_RUNS, false);
    const ours = await timed(echo, bench.scale.runs, false);
    const peer = await timed(module, bench.scale.runs, false);
    note('warm run of the smallest component, against the smallest module, p50', ours.wall, undefined, peer.wall);
  }
  await sandbox.close();
  const figures = Object.entries(series).map(([name, values]): Figure => ({
    ...{ suite: 'components', backend: '', name, unit: 'ms' },
    ...values,
  }));
  return { figures, costs: [] };
}

const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../../test/fixtures/components/${name}`, import.meta.url));

/** Appends a custom section with random bytes, so that the server takes the same component for a new version. */
const another = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Uint8Array.of(0, 10, 1, 0x78), randomBytes(8)]);
