import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from '@opentelemetry/api';
import { newTrace, parseTraceparent, type TraceContext } from '../common/trace-context.js';
import { within, workContext } from '../common/work-context.js';
import type { Role, TracingConfig } from '../config/index.js';

/**
 * Traces, by OpenTelemetry: the work that a request causes, in any process, as one tree of timed spans. `traced` opens
 * a span where the work is done. The current span is in the `WorkContext`, so that log and trace agree. A task stores
 * the `traceparent` of its submission in its row; its events store that of the span that wrote them.
 *
 * Without a collector, the SDK is not loaded and `traced` only does its work. The caller's trace is still passed on, as
 * W3C Trace Context requires of processes that do not take part.
 */
let tracer: Tracer | undefined;

export { type Span, SpanKind };

/** @returns a function that sends the rest and ends; do not wait for it for longer than a moment */
export async function startTracing(config: TracingConfig, roles: readonly Role[]): Promise<() => Promise<void>> {
  if (!config.protocol) return () => Promise.resolve();
  const { openExport } = await import('./trace-export.js');
  const opened = openExport(config, roles, config.protocol);
  tracer = opened.tracer;
  return opened.close;
}

/** @throws Error if a collector is configured and refuses traces */
export async function checkCollector({ protocol }: TracingConfig): Promise<void> {
  if (protocol) await (await import('./trace-export.js')).greetCollector(protocol);
}

export interface TracedOptions {
  attributes?: Attributes;
  kind?: SpanKind;
  /** `traceparent` of another, related trace. */
  linkTo?: string | null;
}

/** Does `work` as a span below the current one. If it throws, the span fails too. */
export async function traced<T>(name: string, options: TracedOptions, work: (span: Span) => Promise<T>): Promise<T> {
  if (!tracer) return work(UNRECORDED_SPAN);
  const context = workContext();
  const span = begin(tracer, name, options, context?.trace);
  try {
    return await within({ ...context, trace: placeOf(span) }, () => work(span));
  } catch (error) {
    markFailed(span, error as Error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * The first span of this process in a trace, for callers that end it themselves and work `within` it.
 * @param traceparent the trace to continue; an invalid one starts a new trace
 * @param options `isRemote`: it comes from outside the installation, so that its request to be recorded does not count
 */
export function enterTrace(
  name: string,
  traceparent: string | null | undefined,
  options: TracedOptions & { isRemote?: boolean },
): { span: Span; place: TraceContext } {
  const parent = parseTraceparent(traceparent);
  if (!tracer) return { span: UNRECORDED_SPAN, place: parent ?? newTrace() };
  const { isRemote, ...rest } = options;
  const span = begin(tracer, name, rest, parent && { ...parent, isRemote });
  return { span, place: placeOf(span) };
}

/** Records a span that has already ended. @param startedAt milliseconds since the epoch */
export function recordSpan(
  name: string,
  traceparent: string | null | undefined,
  startedAt: number,
  options: TracedOptions,
): void {
  const parent = tracer && parseTraceparent(traceparent);
  if (tracer && parent) begin(tracer, name, options, parent, startedAt).end();
}

/** Whether spans are recorded. */
export const isTracing = (): boolean => tracer !== undefined;

/** @param error the error, or its stand-in; without a code its name says its kind */
export function markFailed(span: Span, error: { code?: unknown; name?: string; message: string }): void {
  const { code, name, message } = error;
  span.setAttribute('error.type', String(code ?? name)).setStatus({ code: SpanStatusCode.ERROR, message });
}

/** Marks how a task or an attempt ended, by its code alone: the text may quote a tenant, such as an agent's log. */
export const markEndedBy = (span: Span, { code }: { code: string }): void => markFailed(span, { code, message: '' });

const UNRECORDED_SPAN: Span = trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: TraceFlags.NONE });

function begin(
  by: Tracer,
  name: string,
  { linkTo, ...options }: TracedOptions,
  parent: ParentContext | undefined,
  startTime?: number,
): Span {
  const link = parseTraceparent(linkTo);
  const full: SpanOptions = { ...options, startTime, links: link && [{ context: toSpanContext(link) }] };
  return by.startSpan(name, full, parent ? trace.setSpanContext(ROOT_CONTEXT, toSpanContext(parent)) : ROOT_CONTEXT);
}

function placeOf(span: Span): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
}

/** `isRemote` as in `enterTrace`. */
type ParentContext = TraceContext & { isRemote?: boolean };

const toSpanContext = ({ traceId, spanId, sampled, isRemote }: ParentContext): SpanContext => ({
  traceId,
  spanId,
  isRemote,
  traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
});
