import { IsInt, Min } from 'class-validator';
import { ApiInteger } from './api-schema.js';
import { Optional } from './validators.js';

/** With less than some 70, engines do not start the smallest agent. */
const MIN_STACK_KB = 128;

/** Pages of WebAssembly's memory, 64 KiB, per MiB. */
export const PAGES_PER_MB = 16;

/** What one run may use, where that is less than the server allows; what is left out counts as the server's. */
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
   * Stack of the agent's calls, KiB.
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
   * The agent's answer, bytes of JSON.
   * @example 65536
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  output_bytes?: number;

  /**
   * Kept of the log, which is standard error, bytes; what is beyond is dropped.
   * @example 16384
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  log_bytes?: number;

  /**
   * Kept of the log, lines.
   * @example 100
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  log_lines?: number;
}

/** What a run of the version may use, if that is less than the server allows; a task may lower it further. */
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
