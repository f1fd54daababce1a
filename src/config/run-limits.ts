import { malformed } from '../common/dto.pipe.js';
import { PAGES_PER_MB, type RunLimitsDto, type VersionLimitsDto } from '../common/run-limits.dto.js';
import type { SandboxConfig, TaskConfig } from './config.module.js';

/**
 * The most one run may use on this server, in the words of the wire. Versions and tasks may ask for less.
 * @param resultByRef whether its output is for a document of its own
 */
export const mostPerRun = (sandbox: SandboxConfig, resultByRef: boolean): Required<RunLimitsDto> => ({
  memory_mb: Math.floor(sandbox.maxMemoryPages / PAGES_PER_MB),
  table_elements: sandbox.maxTableElements,
  stack_kb: sandbox.stackKb,
  cpu_ms: sandbox.maxCpuMs,
  output_bytes: resultByRef ? sandbox.maxOutputBlobBytes : sandbox.maxOutputBytes,
  log_bytes: sandbox.maxStderrBytes,
  log_lines: sandbox.maxStderrLines,
});

/** The same of a version, which also says how long a run of it may take. */
export const mostPerVersion = (sandbox: SandboxConfig, { maxTimeoutMs }: TaskConfig): Required<VersionLimitsDto> => ({
  timeout_ms: maxTimeoutMs,
  ...mostPerRun(sandbox, true),
});

/**
 * Limits can only be lowered.
 * @throws AppError `invalid` that names each of `limits` that is above the most, and what that is
 */
export function assertWithin<Limits extends object>(most: Required<Limits>, asked: Limits): void {
  if (Object.values(asked).every((value) => value === undefined || value === null)) {
    throw malformed([{ field: 'limits', message: 'must name at least one limit' }]);
  }
  const errors = (Object.entries(most) as [string, number][])
    .filter(([name, maximum]) => Number(asked[name as keyof Limits] ?? 0) > maximum)
    .map(([name, maximum]) => ({ field: `limits.${name}`, message: `must be at most ${maximum}` }));
  if (errors.length > 0) throw malformed(errors);
}
