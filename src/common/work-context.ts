import { AsyncLocalStorage } from 'node:async_hooks';
import { type TraceContext, toTraceparent } from './trace-context.js';

/** What is being worked on: a request, or a task in a worker. */
export interface WorkContext {
  trace: TraceContext;
  user_id?: string;
  task_id?: string;
  /** The agent a request is about; of a task the one that tries, or has tried last. */
  agent_id?: string;
}

const current = new AsyncLocalStorage<WorkContext>();

export const within = <T>(context: WorkContext, work: () => T): T => current.run(context, work);

export const workContext = (): WorkContext | undefined => current.getStore();

/** For what is known only later: who makes the request, which agent tries. */
export function addToWorkContext(known: Partial<WorkContext>): void {
  Object.assign(current.getStore() ?? {}, known);
}

/** As every line of the log about it says. */
export function toLogFields({ trace, ...subjects }: WorkContext): Record<string, string | undefined> {
  return { trace_id: trace.traceId, ...subjects };
}

/** For who works on elsewhere: the `traceparent` of this step; undefined where there is none. */
export function traceparent(): string | undefined {
  const context = current.getStore();
  return context && toTraceparent(context.trace);
}

/** The same for who only looks on: undefined where nobody records the trace. */
export const sampledTraceparent = (): string | undefined =>
  current.getStore()?.trace.sampled ? traceparent() : undefined;
