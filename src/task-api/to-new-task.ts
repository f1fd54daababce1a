import { AppError, type FieldError } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { newId } from '../common/ids.js';
import { MAX_INPUT_DEPTH } from '../common/json-scanner.js';
import { jsonDepth } from '../common/json-text.js';
import { CONSENT_KINDS } from '../common/permissions.js';
import { parseAmount } from '../common/money.js';
import type { RawJson } from '../common/raw-json.js';
import { assertWithin, type GeoConfig, mostPerRun, type SandboxConfig, type TaskConfig } from '../config/index.js';
import type { SubmitTaskDto } from './task.dto.js';
import type { NewTask, Task } from '../tasks/index.js';

/**
 * A task as it will be stored, from what its submitter sent: the rules that need the configuration or the clock, but for the
 * deadline's, see `assertInTime`.
 * @throws AppError `invalid` or `too_large`
 */
export function toNewTask(
  userId: string,
  dto: SubmitTaskDto,
  limits: TaskConfig,
  sandbox: SandboxConfig,
  geo: GeoConfig,
  now = Date.now(),
): NewTask {
  const { maxTimeoutMs, defaultTimeoutMs } = limits;
  const inputText = dto.input === undefined ? null : checkedInput(dto.input, limits);
  if (inputText === null && dto.input_ref === undefined) {
    throw malformed([
      { field: 'input', message: 'input is required: any JSON value but null, or input_ref in its place' },
    ]);
  }
  if (inputText !== null && dto.input_ref !== undefined) throw malformed([notBoth('input_ref', 'input')]);
  if (dto.timeout_ms && dto.timeout_ms > maxTimeoutMs) {
    throw malformed([{ field: 'timeout_ms', message: `must be at most ${maxTimeoutMs}` }]);
  }
  if (dto.weights && Object.values(dto.weights).every((weight) => weight === 0)) {
    throw malformed([{ field: 'weights', message: 'at least one weight must be above 0' }]);
  }
  const resultByRef = dto.result_as === 'ref';
  if (dto.limits) assertWithin(mostPerRun(sandbox, resultByRef), dto.limits);
  assertRoutable(dto, geo);
  const runAt = startOf(dto, limits, now);
  return {
    id: newId(),
    userId,
    priority: dto.priority ?? 'normal',
    description: dto.description ?? null,
    requiredCapabilities: dto.required_capabilities,
    budgetMicro: parseAmount(dto.budget),
    inputText,
    inputRef: dto.input_ref ?? null,
    resultByRef,
    weights: dto.weights ?? null,
    limits: dto.limits ?? null,
    region: dto.region ?? null,
    regionRequired: dto.region_required ?? false,
    shareLogs: dto.share_logs ?? false,
    allow: CONSENT_KINDS.filter((kind) => dto.allow?.[kind] === true),
    maxHostCostMicro: dto.max_host_cost === undefined ? 0n : parseAmount(dto.max_host_cost),
    timeoutMs: dto.timeout_ms ?? defaultTimeoutMs,
    runAt,
    throttled: false,
    deadline: dto.deadline === undefined ? null : new Date(dto.deadline),
    retryOf: null,
    contextId: dto.context_id ?? null,
    onlyAgentId: dto.only_agent_id?.toLowerCase() ?? null,
  };
}

/** A new task that repeats a failed one at once, with the same budget, input and rules. */
export const repetitionOf = (task: Task): NewTask => ({
  id: newId(),
  userId: task.userId,
  priority: task.priority,
  description: task.description,
  requiredCapabilities: task.requiredCapabilities,
  budgetMicro: task.budgetMicro,
  inputText: task.input?.text ?? null,
  inputRef: task.inputRef,
  resultByRef: task.resultByRef,
  weights: task.weights,
  limits: task.limits,
  region: task.region,
  regionRequired: task.regionRequired,
  shareLogs: task.shareLogs,
  allow: task.allow,
  maxHostCostMicro: task.maxHostCostMicro + task.lentMicro,
  timeoutMs: task.timeoutMs,
  runAt: null,
  deadline: task.deadline,
  retryOf: task.id,
  contextId: task.contextId,
  onlyAgentId: task.onlyAgentId,
  throttled: false,
});

/**
 * The rule that a request comes to break by being repeated later: to be asked of new submissions alone.
 * @param place of the task in the request, such as `tasks.17.`
 * @throws AppError `invalid`
 */
export function assertInTime({ deadline, runAt }: NewTask, place = ''): void {
  if (!deadline || deadline.getTime() > Math.max(Date.now(), runAt?.getTime() ?? 0)) return;
  throw malformed([{ field: `${place}deadline`, message: 'must lie in the future, and after the start' }]);
}

/** As its row reads right after the submission, without reading it back. */
export const asStored = (task: NewTask, createdAt: Date, input: RawJson | null = null) => ({
  ...task,
  ...UNTOUCHED,
  input,
  createdAt,
});

/** Values of a task that no worker has had yet. */
const UNTOUCHED = {
  status: 'queued',
  agentId: null,
  holdId: null,
  version: null,
  result: null,
  resultRef: null,
  error: null,
  costMicro: null,
  hostCostMicro: 0n,
  lentMicro: 0n,
  parentId: null,
  parentAttempt: null,
  rootId: null,
  ancestorAgents: [],
  ancestorOwners: [],
  parkedAt: null,
  parkedMs: 0,
  rating: null,
  startedAt: null,
  completedAt: null,
} as const satisfies Partial<Task>;

/** Refuses a wish that would have no effect. @throws AppError `invalid` */
function assertRoutable({ region, region_required }: SubmitTaskDto, { enabled }: GeoConfig): void {
  if (region && !enabled) {
    throw malformed([{ field: 'region', message: 'this server does not route by region (ENABLE_GEO_ROUTING)' }]);
  }
  if (region_required && !region) {
    throw malformed([{ field: 'region', message: 'is missing: region_required says that it matters' }]);
  }
}

function checkedInput(input: RawJson, { maxInputBytes, maxInputBlobBytes }: TaskConfig): string {
  if (input.isNull)
    throw malformed([{ field: 'input', message: 'must not be null; use {} where there is nothing to say' }]);
  const { text } = input;
  if (jsonDepth(text) > MAX_INPUT_DEPTH) {
    throw malformed([{ field: 'input', message: `must not nest deeper than ${MAX_INPUT_DEPTH} levels` }]);
  }
  if (Buffer.byteLength(text) > maxInputBytes) {
    const message =
      `The input is larger than ${maxInputBytes} bytes of JSON. ` +
      `Bring it to POST /api/v1/tasks/inputs (at most ${maxInputBlobBytes} bytes) and name it as input_ref.`;
    throw new AppError('too_large', 'INPUT_TOO_LARGE', message);
  }
  return text;
}

/** @returns null: at once, as for a start that has passed */
function startOf({ run_at, delay_ms }: SubmitTaskDto, { maxDelayMs }: TaskConfig, now: number): Date | null {
  if (run_at !== undefined && delay_ms !== undefined) throw malformed([notBoth('delay_ms', 'run_at')]);
  const delayMs = run_at === undefined ? (delay_ms ?? 0) : Date.parse(run_at) - now;
  if (delayMs > maxDelayMs) {
    const field = run_at === undefined ? 'delay_ms' : 'run_at';
    throw malformed([{ field, message: `must not lie more than ${maxDelayMs} ms ahead` }]);
  }
  return delayMs > 0 ? new Date(now + delayMs) : null;
}

const notBoth = (field: string, other: string): FieldError => ({
  field,
  message: `${field} cannot be combined with ${other}: give one of them`,
});
