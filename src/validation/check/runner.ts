import { fstatSync, readFileSync, readSync, writeSync } from 'node:fs';
import type { ModuleLimits } from '../wasm/limits.js';
import { walkModule } from '../wasm/section-walker.js';
import { engineRefusal } from './engine.js';
import { LIMITS_DESCRIPTOR, type CheckAnswer } from './exchange.js';

/**
 * The checking process: the only place where the bytes of an upload are parsed. It checks one module and ends. The
 * server ends it when it takes too long.
 */
const limits = JSON.parse(readFileSync(LIMITS_DESCRIPTOR, 'utf8')) as ModuleLimits;
answer(check(readStandardInput(), limits));

function check(bytes: Uint8Array, limits: ModuleLimits): CheckAnswer {
  const { module, refusal } = walkModule(bytes, limits);
  return { module, refusal: refusal ?? engineRefusal(bytes) };
}

/** Standard input is a file: one read into one buffer of its size, instead of growing a buffer chunk by chunk. */
function readStandardInput(): Uint8Array {
  const bytes = new Uint8Array(fstatSync(0).size);
  for (let filled = 0; filled < bytes.length;) {
    const read = readSync(0, bytes, filled, bytes.length - filled, filled);
    if (read === 0) return bytes.subarray(0, filled);
    filled += read;
  }
  return bytes;
}

function answer(result: CheckAnswer): void {
  const line = Buffer.from(`${JSON.stringify(result)}\n`);
  for (let written = 0; written < line.length;) written += writeSync(1, line, written);
}
