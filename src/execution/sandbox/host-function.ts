import type { WasiFunctionName } from '../../common/host-functions.js';

/**
 * A wasm `i32` arrives as a number, an `i64` as a bigint. What a module gets by importing a function with another
 * signature is a TypeError out of the call, which ends its run.
 */
export type HostFunction = (...args: any[]) => number | void;

export type WasiFunctions = Record<WasiFunctionName, HostFunction>;
