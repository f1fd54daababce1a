import { canonical } from './canonical.js';
import { Checker, type Node } from './checker.js';
import { SchemaReader } from './schema-reader.js';
import { Steps, TooCostly } from './steps.js';

/** How a document compares with a schema. */
export type Verdict =
  | { end: 'fits' }
  /** `at` is the JSON Pointer of the first fault; neither part quotes the document's values. */
  | { end: 'fault'; at: string; reason: string }
  /** The check would take more steps than it may. */
  | { end: 'too_costly' };

/**
 * The part of JSON Schema 2020-12 that versions may declare. A schema comes from a stranger and runs in the server, so it is
 * interpreted and never compiled to code, each check takes a bounded number of steps, and patterns are matched in linear time.
 */
export class Schema {
  private constructor(private readonly root: Node) {}

  /** @throws SchemaFault for a schema that is not supported or too large */
  static read(document: unknown): Schema {
    return new Schema(new SchemaReader().read(document));
  }

  /** @param steps work that is left, also for later checks */
  check(value: unknown, steps: Steps): Verdict {
    try {
      const fault = new Checker(steps).check(this.root, value, '', 0);
      return fault ? { end: 'fault', ...fault } : { end: 'fits' };
    } catch (error) {
      if (error instanceof TooCostly) return { end: 'too_costly' };
      throw error;
    }
  }
}

/** Whether two schemas say the same, whatever the order of their members. */
export const sameSchema = (one: object | null, other: object | null): boolean => {
  const steps = new Steps(Infinity);
  return canonical(one, steps) === canonical(other, steps);
};
