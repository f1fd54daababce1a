import type { CanonicalOptions } from '../../../common/component/definitions.js';
import { trap } from './faults.js';
import type { Heap } from './heap.js';
import { recordType } from './compound-types.js';
import { type CallScope, type InstanceState, returnLoans } from './resources.js';
import type { FunctionType } from './type-code.js';
import { type CallContext, flatOf, type FlatValue, MOST_FLAT, type NextFlat, type Value } from './value-type.js';

/** A function of a component or of the host, on values. */
export interface ComponentFunction {
  type: FunctionType;
  /** @returns undefined for a function without result */
  call(args: Value[]): Value | undefined;
}

export type CoreFunction = (...args: FlatValue[]) => FlatValue | void;

/** What the functions of one run share. */
export class Machine {
  /** The first trap or end. A guest may catch it; every further call of the host throws it again. */
  ended?: unknown;

  /** Runs host code on behalf of the guest. */
  guard<Result>(work: () => Result): Result {
    if (this.ended !== undefined) throw this.ended;
    try {
      return work();
    } catch (error) {
      this.ended ??= error;
      throw error;
    }
  }
}

/** The options of a canonical function, resolved. */
export interface Canonical {
  machine: Machine;
  instance: InstanceState;
  heap: Heap;
  postReturn?: CoreFunction;
}

export type ResolveOptions = (options: CanonicalOptions) => Canonical;

/** `canon lower`: a function of a component as a core function that the guest calls. */
export function lower(func: ComponentFunction, { machine, instance, heap }: Canonical): CoreFunction {
  const { params, result } = func.type;
  const paramsInMemory = flatOf(params).length > MOST_FLAT ? recordType(params) : undefined;
  const resultInMemory = result !== undefined && result.flat.length > 1;
  return (...core) =>
    machine.guard(() => {
      instance.assertMayLeave();
      const context = { instance, heap, scope: newScope() };
      const next = takeFrom(core);
      const args = paramsInMemory
        ? (paramsInMemory.load(context, aligned(next(), paramsInMemory.align)) as Value[])
        : params.map((param) => param.lift(context, next));
      const value = func.call(args);
      returnLoans(context.scope);
      if (!result) return;
      return instance.withoutLeaving(() => {
        if (resultInMemory) return result.store(context, value!, aligned(next(), result.align));
        const flat: FlatValue[] = [];
        result.lower(context, value!, flat);
        return flat[0];
      });
    });
}

/** `canon lift`: a core function of the guest as a function of its component. */
export function lift(core: CoreFunction, type: FunctionType, canonical: Canonical): ComponentFunction {
  const { instance, heap, postReturn } = canonical;
  const { params, result } = type;
  const paramsInMemory = flatOf(params).length > MOST_FLAT ? recordType(params) : undefined;
  const resultInMemory = result !== undefined && result.flat.length > 1;
  const call = (args: Value[]): Value | undefined =>
    instance.enter(() => {
      const context: CallContext = { instance, heap, scope: newScope() };
      const flat = instance.withoutLeaving(() => {
        const values: FlatValue[] = [];
        if (paramsInMemory) {
          const pointer = heap.allocate(paramsInMemory.align, paramsInMemory.size);
          paramsInMemory.store(context, args, pointer);
          values.push(pointer);
        } else for (const [index, param] of params.entries()) param.lower(context, args[index], values);
        return values;
      });
      const answer = core(...flat) as FlatValue;
      const value = resultInMemory
        ? result.load(context, aligned(answer, result.align))
        : result?.lift(context, () => answer);
      returnLoans(context.scope);
      if (context.scope.borrowed > 0) trap('a call ended with a borrowed handle that was not dropped');
      if (postReturn) instance.withoutLeaving(() => (result ? postReturn(answer) : postReturn()));
      return value;
    });
  return { type, call };
}

const newScope = (): CallScope => ({ lent: [], borrowed: 0 });

function takeFrom(values: readonly FlatValue[]): NextFlat {
  let at = 0;
  return () => values[at++];
}

function aligned(value: FlatValue, align: number): number {
  const pointer = Number(value) >>> 0;
  return pointer % align === 0 ? pointer : trap(`a value is at ${pointer}, which is not a multiple of ${align}`);
}
