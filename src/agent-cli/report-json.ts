import { importsHostCalls } from '../common/permission-rules.js';
import { PAGES_PER_MB } from '../common/run-limits.dto.js';
import type { LocalRun, LocalValidation } from './local-agent.js';
import type { LocalCall } from './local-calls.js';

/** The reports for programs, with the field names of the API. */

export const validationJson = ({ report, limits }: LocalValidation): object => ({
  report,
  limits: snakeCased(limits),
  needs_permissions: importsHostCalls(report.imports),
});

export function runJson(
  { outcome, metering, log, limits, host, sandbox_notes }: LocalRun,
  { report }: LocalValidation,
) {
  return {
    outcome: snakeCased(outcome),
    metering: snakeCased(metering),
    log,
    limits: {
      timeout_ms: limits.timeoutMs,
      memory_mb: limits.maxMemoryPages / PAGES_PER_MB,
      table_elements: limits.maxTableElements,
      stack_kb: limits.stackKb,
      cpu_ms: limits.maxCpuMs,
      output_bytes: limits.maxOutputBytes,
      log_bytes: limits.maxStderrBytes,
      log_lines: limits.maxStderrLines,
    },
    granted: host?.granted ?? [],
    host_calls: (host?.calls ?? []).map(listed),
    sandbox_notes,
    validation: report,
  };
}

/** As a server lists it: without request and answer. */
const listed = ({ n, method, target, outcome, request_bytes, answer_bytes, duration_ms }: LocalCall) => ({
  ...{ n, method, target, outcome, request_bytes, answer_bytes, duration_ms },
});

/** An object whose values are not objects. */
const snakeCased = (flat: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(flat).map(([name, value]) => [snakeCase(name), value]));

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
