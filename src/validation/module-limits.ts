import type { ValidationConfig } from '../config/index.js';
import { FIXED_LIMITS, type ModuleLimits } from './wasm/limits.js';

/** The limits of an installation: what is configured, and what is the same everywhere. */
export const moduleLimits = (config: ValidationConfig): ModuleLimits => ({
  ...FIXED_LIMITS,
  functions: config.maxFunctions,
  tableElements: config.maxTableElements,
  memoryPages: config.maxMemoryPages,
  localsPerFunction: config.maxLocals,
  functionBytes: config.maxFunctionBytes,
  nesting: config.maxNesting,
  imports: config.maxImports,
  exports: config.maxExports,
  dataBytes: config.maxDataBytes,
  customBytes: config.maxCustomBytes,
});
