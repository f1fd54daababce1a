import { printable } from '../../common/printable.js';
import type { Refusal } from '../wasm/refusal.js';

/** The part of the JavaScript API that the check needs; Node's types do not declare it. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => unknown;
}
const engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/**
 * The engine's own full validation, including instructions. Only for modules that passed the section walker, and only
 * in a process that may hang or die.
 */
export function engineRefusal(bytes: Uint8Array): Refusal<'INVALID_MODULE'> | null {
  if (engine.validate(bytes)) return null;
  const { reason, offset } = explain(bytes);
  const advice = 'Build it again with a released toolchain, and check it with wasm-validate or wasm-tools validate.';
  return { code: 'INVALID_MODULE', message: `The engine rejects the module: ${reason}. ${advice}`, offset };
}

/** `validate` only answers false. Compiling fails with V8's reason, which ends in the offset: `… @+37`. */
function explain(bytes: Uint8Array): { reason: string; offset: number | null } {
  try {
    new engine.Module(bytes);
    return { reason: 'it is not valid', offset: null };
  } catch (error) {
    const [, text, offset] = /^(?:WebAssembly\.Module\(\): )?(.*?)(?: @\+(\d+))?$/s.exec((error as Error).message)!;
    return { reason: printable(text), offset: offset === undefined ? null : Number(offset) };
  }
}
