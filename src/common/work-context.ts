import { AsyncLocalStorage } from 'node:async_hooks';

/** What is being worked on, as every line of the log about it says: a request, or a task in a worker. */
export interface WorkContext {
  /** Identifies the request, or is the id of the task. */
  trace_id: string;
  user_id?: string;
  task_id?: string;
}

const current = new AsyncLocalStorage<WorkContext>();

export const within = <T>(context: WorkContext, work: () => T): T => current.run(context, work);

export const workContext = (): WorkContext | undefined => current.getStore();

/** For what is known only later: who makes the request. */
export function addToWorkContext(known: Partial<WorkContext>): void {
  Object.assign(current.getStore() ?? {}, known);
}

/**
 * The trace of a request: that of a W3C `traceparent` header, in the form of a UUID like all ids here; else none.
 * @see https://www.w3.org/TR/trace-context/#traceparent-header
 */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  const [, id] =
    /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/.exec(traceparent ?? '') ?? [];
  return id?.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
