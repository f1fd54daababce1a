import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pLimit from 'p-limit';
import { describeMissing, type MissingWall } from '../common/walls.js';
import { ValidationConfig } from '../config/index.js';
import { watchWalls } from '../confinement/index.js';
import { ConfinedCheck } from './confined-check.js';
import { validationDuration, validations } from './metrics.js';
import type { CheckOutcome, ModuleCheck } from './module-check.js';
import { moduleLimits } from './module-limits.js';
import { componentRefusal, worldOf } from './component-policy.js';
import { policyRefusal } from './policy.js';
import { RemoteCheck } from './remote-check.js';
import type { ValidationReport } from './validation-report.dto.js';
import type { ModuleLimits } from './wasm/limits.js';
import type { Refusal } from './wasm/refusal.js';
import { blankModule, type WalkedModule } from './wasm/walked-module.js';

/**
 * Decides whether an uploaded binary may become a version of an agent. Three judges, the first refusal counts:
 *
 *   1. the section walker (`wasm/`): is it well-formed, and small enough in every respect to be looked at?
 *   2. the engine (`check/engine.ts`): is it valid, instructions included?
 *   3. the policy (`policy.ts`): does it offer what an agent offers, and ask for nothing the host does not provide?
 *
 * The first two read hostile bytes and run in a confined process: a child of this server, or of a validator process where
 * `VALIDATOR_URL` is set. It is ended when it takes too long. Its end counts as the binary's fault, and is a refusal.
 */
@Injectable()
export class WasmValidator implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(WasmValidator.name);
  private readonly limits: ModuleLimits;
  /** Each process may take hundreds of megabytes and keep a core busy. */
  private readonly limit = pLimit(availableParallelism());
  private check: ModuleCheck;

  constructor(private readonly config: ValidationConfig) {
    this.limits = moduleLimits(config);
  }

  async onModuleInit(): Promise<void> {
    const { validator, engineTimeoutMs } = this.config;
    if (validator) {
      this.check = new RemoteCheck(validator);
      return;
    }
    this.check = await ConfinedCheck.prepare(engineTimeoutMs, availableParallelism());
    watchWalls('validation', this.missingWalls);
  }

  /** Walls that are missing around checking processes which this server starts; empty when there are all. */
  get missingWalls(): readonly MissingWall[] {
    return this.check.missing;
  }

  /** One line per missing wall, with the reason. */
  describe(): string[] {
    return this.missingWalls.map((missing) => `Binaries are checked without: ${describeMissing(missing)}`);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.check?.release();
  }

  /** Resolves if binaries can be validated now. @throws Error why they cannot */
  ping(): Promise<void> {
    return this.check.ping();
  }

  /**
   * @param binary a file that does not change meanwhile
   * @param owner whose it is: no process that reads it has read, or will read, a binary of another owner
   * @returns a report; a binary that is refused is an expected outcome and throws nothing
   * @throws AppError `unavailable` `VALIDATOR_UNAVAILABLE`
   */
  async validate({ path, size, sha256 }: StoredBinary, owner: string): Promise<ValidationReport> {
    const stopClock = validationDuration.startTimer();
    const binary = await open(path);
    try {
      const outcome = await this.limit(() => this.check.run(binary, size, this.limits, owner));
      if (outcome.end === 'crashed') this.logger.warn(`The check of binary ${sha256} crashed: ${outcome.how}`);
      const { module, refusal } = verdict(outcome);
      stopClock();
      validations.inc({ code: refusal?.code ?? 'OK' });
      return { is_valid: refusal === null, error: refusal, ...description(module), size, sha256 };
    } finally {
      await binary.close();
    }
  }
}

/** Size and hash come from staging, which counted and hashed the bytes; the report repeats them. */
export interface StoredBinary {
  path: string;
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
}

function verdict(outcome: CheckOutcome): { module: WalkedModule; refusal: Refusal | null } {
  switch (outcome.end) {
    case 'answered': {
      const { module, refusal } = outcome.answer;
      return { module, refusal: refusal ?? (module.component ? componentRefusal(module) : policyRefusal(module)) };
    }
    case 'timed_out':
      return {
        module: blankModule(),
        refusal: {
          code: 'VALIDATION_TIMED_OUT',
          message: `The module was still being checked after ${outcome.afterMs} ms. Split its largest functions, or try again when the server is less busy.`,
          offset: null,
        },
      };
    case 'crashed':
      return {
        module: blankModule(),
        refusal: {
          code: 'VALIDATION_CRASHED',
          message:
            'The check of the module ran out of memory or broke down. Build a smaller module with a released toolchain.',
          offset: null,
        },
      };
  }
}

const description = (module: WalkedModule): Omit<ValidationReport, 'is_valid' | 'error' | 'size' | 'sha256'> => ({
  form: module.component ? 'component' : 'module',
  wasm_version: module.version,
  imports: module.imports,
  imported_modules: [...new Set(module.imports.map((imported) => imported.module))],
  exports: module.exports,
  exported_functions: module.exports.filter(({ kind }) => kind === 'function').map(({ name }) => name),
  memory: module.memory && {
    min_pages: module.memory.minPages,
    max_pages: module.memory.maxPages,
    shared: module.memory.shared,
    is_64: module.memory.is64,
  },
  table_size: module.tableElements,
  globals_count: module.globals,
  functions_count: module.functions,
  data_segments: module.dataSegments,
  custom_sections: module.customSections.map(({ targetFeatures, ...section }) => ({
    ...section,
    ...(targetFeatures && { target_features: targetFeatures }),
  })),
  start_function: module.startFunction,
  details: {
    types_count: module.details.types,
    tables_count: module.details.tables,
    tags_count: module.details.tags,
    element_segments: module.details.elementSegments,
    locals_count: module.details.locals,
    code_bytes: module.details.codeBytes,
    data_bytes: module.details.dataBytes,
    custom_bytes: module.details.customBytes,
    largest_function: module.details.largestFunction,
  },
  component: module.component && {
    world: worldOf(module),
    core_modules: module.component.coreModules.map(({ size, functions, codeBytes, dataBytes }) => ({
      size,
      functions_count: functions,
      code_bytes: codeBytes,
      data_bytes: dataBytes,
    })),
  },
});
