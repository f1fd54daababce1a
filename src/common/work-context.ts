import { AsyncLocalStorage } from 'node:async_hooks';
import { type TraceContext, toTraceparent } from './trace-context.js';

/** The current work: a request, or a task in a worker. */
export interface WorkContext {
  trace: TraceContext;
  user_id?: string;
  task_id?: string;
  /** The agent of a request; for a task, the agent that tries or tried last. */
  agent_id?: string;
  /** Time of the event loop that was measured for it, ms. */
  busyMs?: number;
}

const current = new AsyncLocalStorage<WorkContext>();

export const within = <T>(context: WorkContext, work: () => T): T => current.run(context, work);

export const workContext = (): WorkContext | undefined => current.getStore();

/** For facts known only later: the caller of the request, the agent that tries. */
export function addToWorkContext(known: Partial<WorkContext>): void {
  Object.assign(current.getStore() ?? {}, known);
}

/** Does costly work that no other request can interrupt, and counts its time for the current work. */
export function spending<T>(work: () => T): T {
  const startedAt = performance.now();
  try {
    return work();
  } finally {
    const context = current.getStore();
    if (context) context.busyMs = (context.busyMs ?? 0) + performance.now() - startedAt;
  }
}

/** The fields of every log line about it. */
export function toLogFields(context: WorkContext): Record<string, string | undefined> {
  const { trace, user_id, task_id, agent_id } = context;
  return { trace_id: trace.traceId, user_id, task_id, agent_id };
}

/** The `traceparent` of the current span, for work that continues elsewhere; undefined if there is none. */
export function traceparent(): string | undefined {
  const context = current.getStore();
  return context && toTraceparent(context.trace);
}

/** The `traceparent` for observers: undefined if the trace is not recorded. */
export const sampledTraceparent = (): string | undefined =>
  current.getStore()?.trace.sampled ? traceparent() : undefined;
