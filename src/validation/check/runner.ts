import { readSync, writeSync } from 'node:fs';
import { isComponent } from '../../common/component/header.js';
import type { ModuleLimits } from '../wasm/limits.js';
import { walkModule } from '../wasm/section-walker.js';
import { engineRefusal } from './engine.js';
import type { CheckAnswer, CheckRequest } from './exchange.js';
import { warmUp } from './warm-up.js';

/**
 * The checking process: the only place where the content of an upload is parsed. It waits for a module, checks it and
 * waits for the next. The server ends it if a check takes too long, or when it has checked enough.
 */
warmUp();
for (let head = read(4); head.length === 4; head = read(4)) {
  const { size, limits } = JSON.parse(read(head.readUInt32BE()).toString()) as CheckRequest;
  const bytes = read(size);
  answer(isComponent(bytes) ? await checkedComponent(bytes, limits) : checkedModule(bytes, limits));
}

function checkedModule(bytes: Uint8Array, limits: ModuleLimits): CheckAnswer {
  const { module, refusal } = walkModule(bytes, limits);
  return { module, refusal: refusal ?? engineRefusal(bytes) };
}

/** The code for components is loaded with the first of them. */
async function checkedComponent(bytes: Uint8Array, limits: ModuleLimits): Promise<CheckAnswer> {
  const { checkComponent } = await import('./component.js');
  return checkComponent(bytes, limits);
}

/** @returns fewer bytes when standard input ends */
function read(size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(0, bytes, filled, size - filled, null);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function answer(result: CheckAnswer): void {
  const line = Buffer.from(`${JSON.stringify(result)}\n`);
  for (let written = 0; written < line.length;) written += writeSync(1, line, written);
}
