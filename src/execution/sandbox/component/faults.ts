import { engine } from '../engine.js';

/** Prefix by which `traps.ts` knows a broken rule of the component model without loading this code. */
const PREFIX = 'component: ';

/** The component broke a rule of the component model while it ran: a wrong handle, pointer or value. */
export class ComponentTrap extends (engine.RuntimeError as unknown as new (message: string) => Error) {
  /** @param rule what was wrong, for the developer of the agent */
  constructor(readonly rule: string) {
    super(`${PREFIX}${rule}`);
  }
}

/** @throws ComponentTrap always */
export function trap(rule: string): never {
  throw new ComponentTrap(rule);
}

/** The component cannot be put together: no function of it has been called yet, except perhaps start functions. */
export class Unlinkable extends Error {}

/** @throws Unlinkable always */
export function unlinkable(reason: string): never {
  throw new Unlinkable(reason);
}
