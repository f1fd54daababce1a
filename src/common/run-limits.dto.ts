import { IsInt, Min } from 'class-validator';
import { ApiInteger } from './api-schema.js';
import { Optional } from './validators.js';

/** Below about 70, engines do not start the smallest agent. */
const MIN_STACK_KB = 128;

/** Pages of WebAssembly's memory, 64 KiB, per MiB. */
export const PAGES_PER_MB = 16;

/** Limits of a run where they are lower than the server's; a missing limit is the server's. */
export class RunLimitsDto {
  /**
   * Linear memory, MiB.
   * @example 64
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  memory_mb?: number;

  /**
   * Elements of one table of functions or references.
   * @example 10000
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  table_elements?: number;

  /**
   * Call stack of the agent, KiB.
   * @example 512
   */
  @ApiInteger({ required: false, minimum: MIN_STACK_KB })
  @Optional()
  @IsInt()
  @Min(MIN_STACK_KB)
  stack_kb?: number;

  /**
   * Processor time of all threads, ms.
   * @example 2000
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  cpu_ms?: number;

  /**
   * The agent's output, bytes of JSON.
   * @example 65536
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  output_bytes?: number;

  /**
   * Kept bytes of the log (standard error); the excess is dropped.
   * @example 16384
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  log_bytes?: number;

  /**
   * Kept lines of the log.
   * @example 100
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  log_lines?: number;
}

/** Limits of a run of the version where they are lower than the server's; a task may lower them further. */
export class VersionLimitsDto extends RunLimitsDto {
  /**
   * Wall time of one run, ms.
   * @example 5000
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  timeout_ms?: number;
}
