import { HOST_CALL_MODULE, importsHostCalls } from '../common/permission-rules.js';
import type { RunReport } from '../execution/index.js';
import type { LocalHost } from './local-calls.js';
import type { LocalRun, LocalValidation } from './local-agent.js';

const PAGE_BYTES = 64 * 1024;

/** A validation report for a person. */
export function validationText(file: string, { report, limits }: LocalValidation): string {
  const verdict = report.error
    ? [`✗ ${file} would be refused: ${report.error.code}`, `  ${report.error.message}`]
    : [`✓ ${file} would be accepted.`];
  const rows: [string, string, string][] = [
    ['size', bytes(report.size), bytes(limits['bytes'])],
    ['functions', String(report.functions_count), String(limits['maxFunctions'])],
    ['table elements', String(report.table_size), String(limits['maxTableElements'])],
    ['memory at start', pages(report.memory?.min_pages ?? 0), pages(limits['maxMemoryPages'])],
  ];
  const imports = report.imports.map(({ module, name }) => `  ${module}${name && `.${name}`}`);
  return [
    ...verdict,
    `  sha256 ${report.sha256}`,
    '',
    ...table(['', 'has', 'limit'], rows),
    '',
    imports.length > 0 ? 'Imports' : 'It imports nothing.',
    ...imports,
    ...(importsHostCalls(report.imports) ? ['', NEEDS_PERMISSIONS] : []),
  ].join('\n');
}

const NEEDS_PERMISSIONS =
  `It imports "${HOST_CALL_MODULE}", so an upload must name its permissions, in the field permissions. ` +
  'Here, run takes them by --permissions.';

/** A run's report for a person. */
export function runText({ outcome, metering, log, limits, host, sandbox_notes }: LocalRun): string {
  const rows: [string, string, string][] = [
    ['wall time', ms(metering.wallMs), ms(limits.timeoutMs)],
    ['CPU time', ms(metering.cpuMs), ms(limits.maxCpuMs)],
    ['peak memory', bytes(metering.peakMemoryBytes), pages(limits.maxMemoryPages)],
    ['table elements', '', String(limits.maxTableElements)],
    ['stack', '', bytes(1024 * limits.stackKb)],
    ['input', bytes(metering.bytesIn), ''],
    ['output', bytes(metering.bytesOut), bytes(limits.maxOutputBytes)],
    ['system calls', String(metering.hostCalls), ''],
    ['log', bytes(Buffer.byteLength(log.join('\n'))), bytes(limits.maxStderrBytes)],
    ['log lines', String(log.length), String(limits.maxStderrLines)],
  ];
  return [
    outcomeText(outcome),
    ...(outcome.end === 'completed' ? ['', 'Result', indented(pretty(outcome.output as string))] : []),
    ...(log.length > 0 ? ['', 'Log (standard error)', ...log.map((line) => `  ${line}`)] : []),
    ...(host ? ['', ...callLines(host)] : []),
    '',
    ...table(['', 'used', 'limit'], rows),
    ...sandbox_notes.map((note) => `\nNote: ${note}`),
  ].join('\n');
}

/** Calls that a person sees at most. */
const MAX_LISTED = 50;

function callLines({ granted, calls }: LocalHost): string[] {
  const title = `Host calls (granted: ${granted.join(', ')}; --allow narrows that)`;
  if (calls.length === 0) return [title, '  none'];
  const rows = calls
    .slice(0, MAX_LISTED)
    .map((call) => [
      ...[call.method, call.target ?? '', call.outcome],
      ...[bytes(call.request_bytes), bytes(call.answer_bytes), ms(call.duration_ms)],
    ]);
  const left = calls.length - rows.length;
  const more = left > 0 ? [`  and ${left} more: --json and --record FILE list them all`] : [];
  return [title, ...table(['', 'target', 'outcome', 'request', 'answer', 'time'], rows), ...more];
}

/** What happened, and what to do about it. */
function outcomeText(outcome: RunReport['outcome']): string {
  const { end, ...details } = outcome;
  if (outcome.end === 'completed') return '✓ completed';
  const facts = Object.entries(details)
    .filter(([name, value]) => name !== 'stderrTail' && value !== undefined)
    .map(([name, value]) => `${name}: ${String(value)}`);
  const advice = (outcome.end === 'trapped' && TRAP_ADVICE[outcome.trap]) || ADVICE[end];
  return [`✗ ${end}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`, ...(advice ? [`  ${advice}`] : [])].join('\n');
}

const ADVICE: Partial<Record<string, string>> = {
  exited: 'The agent ended with a code other than 0. Its log should say why.',
  input_refused: 'The agent ended with exit code 65: it refuses this input. Its log should say why.',
  trapped: 'The engine stopped the agent: a failed assertion, an access out of bounds, or a stack overflow.',
  timed_out: 'Make it faster, or give the task more time: --timeout MS here, "timeout_ms" in a task.',
  cpu_exhausted: 'Use less processor time: all threads and compiling count.',
  out_of_memory: 'Use less memory at a time, or raise memory_mb in the limits of the version.',
  table_too_large: 'Use smaller tables, or raise table_elements in the limits of the version.',
  output_too_large: 'Answer with less, or summarise.',
  invalid_output: 'Standard output must be one JSON document and nothing else; messages belong on standard error.',
  refused: 'The engine could not start the module.',
};

const TRAP_ADVICE: Partial<Record<string, string>> = {
  stack_overflow: 'Its calls nest too deep: recurse less, or raise stack_kb in the limits of the version.',
  linear_stack_overflow:
    'The stack in its memory is full. Put less on it, or link with -Wl,--stack-first -Wl,-z,stack-size=1048576.',
};

function table(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) =>
    `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ')}`.trimEnd(),
  );
}

const ms = (amount: number): string => `${amount < 10 ? amount.toFixed(2) : amount.toFixed(0)} ms`;
const pages = (count: number): string => bytes(count * PAGE_BYTES);
function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`;
}
const pretty = (json: string): string => JSON.stringify(JSON.parse(json), null, 2);
const indented = (text: string): string => text.replace(/^/gm, '  ');
