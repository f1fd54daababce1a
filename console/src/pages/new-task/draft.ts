import type { Schemas } from '../../api/client';
import type { Task } from '../../api/queries';
import type { Weights } from '../../lib/scoring';

export type InputKind = 'text' | 'json' | 'file';

/** What the form holds, before it becomes a task. */
export interface Draft {
  capabilities: string[];
  kind: InputKind;
  text: string;
  json: string;
  /** Reference of a file that is already on the server. */
  file?: { name: string; size: number; ref: string };
  description: string;
  budget: number;
  priority: Schemas['SubmitTaskDto']['priority'];
  /** Unset: those of the server. */
  weights?: Weights;
  timeoutS: string;
  delayS: string;
  deadline: string;
  region: string;
  regionRequired: boolean;
  memoryMb: string;
  shareLogs: boolean;
  /** What agents may do beside computing. */
  allow: { http: boolean; llm: boolean; kv: boolean; ask: boolean; tasks: boolean };
  /** The most that host calls may cost. */
  maxHostCost: string;
  asDocument: boolean;
}

export const EMPTY: Draft = {
  capabilities: [],
  kind: 'text',
  text: '',
  json: '{\n  \n}',
  description: '',
  budget: 1,
  priority: 'normal',
  timeoutS: '',
  delayS: '',
  deadline: '',
  region: '',
  regionRequired: false,
  memoryMb: '',
  shareLogs: false,
  allow: { http: false, llm: false, kv: false, ask: false, tasks: false },
  maxHostCost: '',
  asDocument: false,
};

/** The form of a task that was submitted before. */
export function draftOf(task: Task): Draft {
  const { input } = task;
  const text =
    typeof input === 'object' && input && Object.keys(input).length === 1 && (input as { text?: unknown }).text;
  return {
    ...EMPTY,
    capabilities: task.required_capabilities,
    kind: task.input_ref ? 'file' : typeof text === 'string' ? 'text' : 'json',
    text: typeof text === 'string' ? text : '',
    json: input === null || input === undefined ? EMPTY.json : JSON.stringify(input, null, 2),
    file: task.input_ref
      ? { name: 'Input of the other task', size: task.input_size ?? 0, ref: task.input_ref }
      : undefined,
    description: task.description ?? '',
    budget: task.budget,
    priority: task.priority,
    region: task.region ?? '',
    regionRequired: task.region_required,
    shareLogs: task.share_logs,
    allow: { ...EMPTY.allow, ...task.allow },
    maxHostCost: Number(task.max_host_cost) > 0 ? String(task.max_host_cost) : '',
    asDocument: task.result_as === 'ref',
    timeoutS: String(task.timeout_ms / 1000),
  };
}

/** The input as it would be sent; `error` says in words why it cannot be. */
export function inputOf(draft: Draft): { input?: unknown; input_ref?: string } | { error: string } {
  if (draft.kind === 'text') return { input: { text: draft.text } };
  if (draft.kind === 'file') return draft.file ? { input_ref: draft.file.ref } : { error: 'Choose a file.' };
  try {
    const input: unknown = JSON.parse(draft.json);
    return input === null ? { error: 'The input may be any JSON but null.' } : { input };
  } catch (error) {
    return { error: `This is not JSON: ${(error as Error).message}` };
  }
}

/** @returns the request, or undefined while the input cannot be sent */
export function bodyOf(draft: Draft): Schemas['SubmitTaskDto'] | undefined {
  const input = inputOf(draft);
  if ('error' in input) return undefined;
  const number = (text: string, factor = 1): number | undefined =>
    Number(text) > 0 ? Number(text) * factor : undefined;
  return {
    ...(input as object),
    required_capabilities: draft.capabilities,
    budget: draft.budget,
    priority: draft.priority,
    description: draft.description || undefined,
    weights: draft.weights,
    timeout_ms: number(draft.timeoutS, 1000),
    delay_ms: number(draft.delayS, 1000),
    deadline: draft.deadline ? new Date(draft.deadline).toISOString() : undefined,
    region: draft.region || undefined,
    region_required: draft.region && draft.regionRequired ? true : undefined,
    limits: number(draft.memoryMb) ? { memory_mb: number(draft.memoryMb) } : undefined,
    share_logs: draft.shareLogs || undefined,
    allow: Object.values(draft.allow).some(Boolean) ? draft.allow : undefined,
    max_host_cost: draft.maxHostCost.trim() || undefined,
    result_as: draft.asDocument ? 'ref' : undefined,
  };
}
