import { printable } from '../../common/printable.js';
import { walkComponent } from '../wasm/component-walker.js';
import type { ModuleLimits } from '../wasm/limits.js';
import { ADVICE, type Refusal } from '../wasm/refusal.js';
import { engineRefusal } from './engine.js';
import { entryProbe } from './entry-probe.js';
import type { CheckAnswer } from './exchange.js';
import { type ToolAnswer, wasmTools } from './wasm-tools.js';

/** Checks a component: the walker, the engine for each core module, and `wasm-tools` for how it all fits together. */
export function checkComponent(bytes: Uint8Array, limits: ModuleLimits): CheckAnswer {
  const { module, refusal, coreModules, component } = walkComponent(bytes, limits);
  if (refusal || !component) return { module, refusal };
  const engines = enginesRefusal(coreModules);
  if (engines) return { module, refusal: engines };
  const probe = entryProbe(component);
  const probed = probe && validated(Buffer.concat([bytes, probe.sections]));
  if (probed && 'ok' in probed) return { module, refusal: null };
  const answer = validated(bytes);
  if ('fault' in answer) {
    const reason = printable(answer.fault).slice(0, LONGEST_REASON);
    const message = `The component is not valid: ${reason}. ${ADVICE.INVALID_COMPONENT}`;
    return { module, refusal: { code: 'INVALID_COMPONENT', message, offset: null } };
  }
  // Without an entry point, the policy refuses it.
  return { module, refusal: probe ? mistyped(probe.name, probe.type) : null };
}

const LONGEST_REASON = 500;

function enginesRefusal(coreModules: readonly { bytes: Uint8Array; offset: number }[]): Refusal | null {
  for (const { bytes, offset } of coreModules) {
    const refusal = engineRefusal(bytes);
    if (refusal) return { ...refusal, offset: refusal.offset === null ? null : offset + refusal.offset };
  }
  return null;
}

function validated(bytes: Uint8Array): ToolAnswer {
  try {
    return wasmTools().componentWit(bytes);
  } catch (error) {
    // It ends with a trap on what it has not foreseen.
    return { fault: `the validator failed (${(error as Error).message})` };
  }
}

const mistyped = (name: string, type: string): Refusal => ({
  code: 'ENTRY_POINT_SIGNATURE',
  message: `The component exports ${name}, but without "run: ${type}". Build it with the WIT of the developer guide.`,
  offset: null,
});
