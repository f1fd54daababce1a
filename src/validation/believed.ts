import type { FileHandle } from 'node:fs/promises';
import type { CheckAnswer } from './check/exchange.js';
import { contradiction, outlineOf } from './outline.js';
import type { ModuleLimits } from './wasm/limits.js';

/** Sections of a module that are not custom ones. */
const KNOWN_SECTIONS = 13;
/** As many as the decoder of components reads. */
const MOST_COMPONENT_SECTIONS = 10_000;

/**
 * Compares an answer with what this process itself reads of the file: native code that broke out in the checking process
 * may speak for it. A refusal is believed, since it harms only the owner who forged it.
 * @returns why the answer cannot be one, or undefined
 */
export async function disbelief(
  answer: CheckAnswer,
  binary: FileHandle,
  size: number,
  limits: ModuleLimits,
): Promise<string | undefined> {
  if (answer.refusal) return undefined;
  const most = answer.module.component ? MOST_COMPONENT_SECTIONS : limits.customSections + KNOWN_SECTIONS;
  const differs = contradiction(answer.module, await outlineOf(binary, size, most));
  return differs ? `its answer does not fit the file: ${differs}` : undefined;
}
