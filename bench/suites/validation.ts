import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseEnvironment } from '../../src/config/index.js';
import { WasmValidator } from '../../src/validation/index.js';
import { ByteReader } from '../../src/validation/wasm/byte-reader.js';
import type { Bench, Report } from '../bench.js';
import type { Figure } from '../support/statistics.js';

/** Real code: an agent in C of 140 KB, which `enlarge` repeats. */
const AGENT = new URL('../../../examples/agents/csv-stats/csv-stats.wasm', import.meta.url);
const SIZES = [1, 30];
const MB = 1_000_000;
/** Of one size in one round; the median of them counts. */
const REPEATS = 5;
/** The spare process is started after a check, and uploads do not come back to back. */
const BETWEEN_MS = 600;
const { WebAssembly: engine } = globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } };

/**
 * Validation of a stored binary, from its file to the report, and its hash, beside `WebAssembly.validate` alone in this
 * process: what the engine takes without a process of its own, a walk and a report.
 */
export async function validation(bench: Bench): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-bench-'));
  const environment = parseEnvironment({
    VALIDATION_MAX_FUNCTIONS: '100000',
    VALIDATION_TIMEOUT_MS: '60000',
  });
  const validator = new WasmValidator(environment.validation);
  await validator.onModuleInit();
  bench.onEnd(async () => {
    await validator.onApplicationShutdown();
    await rm(folder, { recursive: true, force: true });
  });
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const bytes = enlarge(await readFile(AGENT), size * MB);
    const binary = { path: join(folder, `${size}.wasm`), size: bytes.length, sha256: sha256(bytes) };
    await writeFile(binary.path, bytes);
    const ours: number[] = [];
    const hash: number[] = [];
    const alone: number[] = [];
    for (let round = 0; round < bench.scale.rounds * REPEATS; round++) {
      await pause(BETWEEN_MS);
      ours.push(
        await timed(async () => {
          const report = await validator.validate(binary, 'owner');
          if (!report.is_valid) throw new Error(report.error?.message);
        }),
      );
      alone.push(await timed(() => engine.validate(bytes)));
      hash.push(await timed(() => sha256(bytes)));
    }
    const about = { suite: 'validation', backend: '', unit: 'ms', peer: alone } as const;
    figures.push(
      { ...about, name: `validation of ${size} MB`, ours, aim: { atMostOfPeer: 2 } },
      { ...about, name: `hash of ${size} MB`, ours: hash },
    );
    if (size === 1) {
      figures.push({ ...about, peer: undefined, name: 'validation of 1 MB, absolute', ours, aim: { below: 50 } });
    }
  }
  return { figures, costs: [] };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function timed(work: () => unknown): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/**
 * A valid module of about so many bytes, by appending all of a module's functions to it again and again: their types, and
 * the indices in their bodies, stay good.
 */
function enlarge(module: Uint8Array, size: number): Uint8Array {
  const times = Math.max(1, Math.round(size / module.length));
  const pieces: Uint8Array[] = [module.subarray(0, 8)];
  const reader = new ByteReader(module);
  reader.skip(8);
  while (!reader.atEnd) {
    const start = reader.offset;
    const id = reader.u8();
    const length = reader.u32();
    const content = reader.offset;
    const end = content + length;
    if (id === FUNCTIONS || id === CODE) {
      const count = reader.u32();
      const entries = module.subarray(reader.offset, end);
      const repeated = Buffer.concat([leb(count * times), ...Array<Uint8Array>(times).fill(entries)]);
      pieces.push(Uint8Array.of(id), leb(repeated.length), repeated);
    } else {
      pieces.push(module.subarray(start, end));
    }
    reader.offset = end;
  }
  return Buffer.concat(pieces);
}

const FUNCTIONS = 3;
const CODE = 10;

function leb(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
