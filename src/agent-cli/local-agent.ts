import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { AppError } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { jsonFault, MAX_INPUT_DEPTH } from '../common/json-scanner.js';
import { VersionLimitsDto } from '../common/run-limits.dto.js';
import { assertWithin, type Environment, mostPerVersion } from '../config/index.js';
import { lowestOf, type RunLimits, type RunReport, SandboxService, toRunLimits } from '../execution/index.js';
import { WasmValidator, type ValidationReport } from '../validation/index.js';
import { AgentRefused, type Command, UsageError } from './command.js';
import type { LocalHost } from './local-calls.js';
import { readFile } from './option-file.js';

export interface LocalValidation {
  report: ValidationReport;
  limits: Record<string, number>;
}

export interface LocalRun extends RunReport {
  /** Lines of standard error that were kept. */
  log: string[];
  limits: Omit<RunLimits, 'clockResolutionUs'> & { timeoutMs: number };
  /** The host's side of it; undefined: the agent could call nothing. */
  host?: LocalHost;
  /** Walls that are missing on this machine, one line each. */
  sandbox_notes: string[];
}

/**
 * @param name what messages call the file
 * @throws UsageError when there is no such file; AgentRefused when it is too large for an upload
 */
export async function validateAgent(file: string, config: Environment, name = file): Promise<LocalValidation> {
  const bytes = readBinary(file, config, name);
  const validator = new WasmValidator(config.validation);
  await validator.onModuleInit();
  try {
    const report = await validator.validate(
      { path: resolve(file), size: bytes.length, sha256: hashOf(bytes) },
      'local',
    );
    const { maxFunctions, maxTableElements, maxMemoryPages } = config.validation;
    return { report, limits: { bytes: config.storage.maxBinaryBytes, maxFunctions, maxTableElements, maxMemoryPages } };
  } finally {
    await validator.onApplicationShutdown();
  }
}

/**
 * Runs a binary that has been found valid, with the variables a worker would give it.
 * @param standardInput called if the command takes its input from there
 * @param host serves its calls; undefined: it may call nothing
 * @throws UsageError, AgentRefused
 */
export async function runAgent(
  command: Command,
  config: Environment,
  standardInput: () => Buffer,
  host?: LocalHost,
): Promise<LocalRun> {
  const input = readInput(command.input, config.sandbox.maxInputBytes, standardInput);
  const { defaultTimeoutMs, maxTimeoutMs } = config.tasks;
  const limits = readLimits(command.limits, config);
  const runLimits = toRunLimits(limits);
  const timeoutMs = Math.min(command.timeoutMs ?? defaultTimeoutMs, limits.timeout_ms ?? Infinity);
  if (timeoutMs > maxTimeoutMs) throw new UsageError(`--timeout may be at most ${maxTimeoutMs} (MAX_TASK_TIMEOUT_MS).`);

  const bytes = readBinary(command.file, config);
  const sandbox = new SandboxService({ read: async () => bytes }, config.sandbox, config.tasks);
  await sandbox.onModuleInit();
  try {
    const log: string[] = [];
    const binary = { sha256: hashOf(bytes), ref: `file:${command.file}` };
    const report = await sandbox.run({
      binary,
      input,
      timeoutMs,
      limits: runLimits,
      environment: VARIABLES,
      hostCalls: host?.hostCalls,
      onLog: (line) => log.push(line),
    });
    const { clockResolutionUs: _, ...effective } = lowestOf(config.sandbox, runLimits);
    return { ...report, log, limits: { timeoutMs, ...effective }, host, sandbox_notes: sandbox.describe() };
  } finally {
    await host?.close();
    await sandbox.onApplicationShutdown();
  }
}

const VARIABLES = { ZEROSTATE_TASK_ID: '00000000-0000-7000-8000-000000000000', ZEROSTATE_ATTEMPT: '1' };

/** Reads the file more than once, so a pipe would be empty for the validator. */
function readBinary(file: string, config: Environment, name = file): Buffer {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) {
    throw new UsageError(`${file} is not a file: save the binary to a file first.`);
  }
  const bytes = readFile(file);
  const { maxBinaryBytes } = config.storage;
  if (bytes.length > maxBinaryBytes) {
    throw new AgentRefused(
      `✗ ${name} would be refused: it has ${bytes.length} bytes. An upload takes at most ${maxBinaryBytes} (MAX_BINARY_BYTES).`,
    );
  }
  return bytes;
}

/** @param maxBytes limit of an input, inline or by reference: an agent cannot tell the difference */
function readInput(source: string, maxBytes: number, standardInput: () => Buffer): string {
  const isJsonText = /^\s*["[{\d-]|^\s*(true|false|null)\s*$/.test(source) && source !== '-' && !existsSync(source);
  const bytes = isJsonText ? Buffer.from(source) : source === '-' ? standardInput() : readFile(source);
  const fault = jsonFault(bytes, MAX_INPUT_DEPTH);
  if (fault) throw new UsageError(`The input is not one JSON document: ${fault}.`);
  if (bytes.length > maxBytes)
    throw new UsageError(`The input is larger than ${maxBytes} bytes (MAX_INPUT_BLOB_BYTES).`);
  return bytes.toString();
}

/** @throws UsageError with the reasons for which an upload would refuse it */
function readLimits(text: string | undefined, config: Environment): VersionLimitsDto {
  if (text === undefined) return {};
  try {
    const limits = checkedDto(VersionLimitsDto, JSON.parse(text));
    assertWithin(mostPerVersion(config.sandbox, config.tasks), limits);
    return limits;
  } catch (error) {
    const { errors = [] } = error instanceof AppError ? error : {};
    const reasons = errors.map(({ field, message }) => `${field} ${message}`.trim());
    throw new UsageError(`--limits: ${reasons.join('; ') || (error as Error).message}`);
  }
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
