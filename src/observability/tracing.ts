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
 * Traces, by OpenTelemetry: what a request leads to, in whatever process, as one tree of steps with their times. Each
 * step is told where it is done, by `traced`; which one is under way stands in the `WorkContext`, so that the log and
 * the trace agree. A task carries the `traceparent` of its submission in its row, and its events that of the step that
 * wrote them.
 *
 * Where no collector is configured nothing of the SDK is loaded and a step is nothing but its work; the caller's trace is
 * handed on all the same, as W3C Trace Context wants it of those who do not take part.
 */
let tracer: Tracer | undefined;

export { type Span as Step, SpanKind };

/** @returns sends what is left and ends; not to be waited for longer than a moment, whatever the collector does */
export async function startTracing(config: TracingConfig, roles: readonly Role[]): Promise<() => Promise<void>> {
  if (!config.protocol) return () => Promise.resolve();
  const { openExport } = await import('./trace-export.js');
  const opened = openExport(config, roles, config.protocol);
  tracer = opened.tracer;
  return opened.close;
}

/** @throws Error when there is a collector to be sent traces to, and it does not take any */
export async function checkCollector({ protocol }: TracingConfig): Promise<void> {
  if (protocol) await (await import('./trace-export.js')).greetCollector(protocol);
}

export interface StepOptions {
  attributes?: Attributes;
  kind?: SpanKind;
  /** `traceparent` of another trace that this has to do with. */
  linkTo?: string | null;
}

/** Does `work` as a step of what is under way. What it throws is the step's failure, too. */
export async function traced<T>(name: string, options: StepOptions, work: (step: Span) => Promise<T>): Promise<T> {
  if (!tracer) return work(NOBODY_LOOKS);
  const context = workContext();
  const step = begin(tracer, name, options, context?.trace);
  try {
    return await within({ ...context, trace: placeOf(step) }, () => work(step));
  } catch (error) {
    markFailed(step, error as Error);
    throw error;
  } finally {
    step.end();
  }
}

/**
 * The first step of this process in a trace, for whoever ends it by hand and works `within` its place.
 * @param traceparent where the trace goes on; what is none begins a new one
 * @param options `isRemote`: it comes from outside the installation, so that its wish to be recorded does not count
 */
export function enterTrace(
  name: string,
  traceparent: string | null | undefined,
  options: StepOptions & { isRemote?: boolean },
): { step: Span; place: TraceContext } {
  const parent = parseTraceparent(traceparent);
  if (!tracer) return { step: NOBODY_LOOKS, place: parent ?? newTrace() };
  const { isRemote, ...rest } = options;
  const step = begin(tracer, name, rest, parent && { ...parent, isRemote });
  return { step, place: placeOf(step) };
}

/** A step that is over when it is told of. @param startedAt milliseconds since the epoch */
export function recordStep(
  name: string,
  traceparent: string | null | undefined,
  startedAt: number,
  options: StepOptions,
): void {
  const parent = tracer && parseTraceparent(traceparent);
  if (tracer && parent) begin(tracer, name, options, parent, startedAt).end();
}

/** Whether anything is done with what is told here. */
export const isTracing = (): boolean => tracer !== undefined;

/** @param error what was thrown, or what stands for it; without a code its name says what kind it is */
export function markFailed(step: Span, error: { code?: unknown; name?: string; message: string }): void {
  const { code, name, message } = error;
  step.setAttribute('error.type', String(code ?? name)).setStatus({ code: SpanStatusCode.ERROR, message });
}

/** The same for how a task or an attempt ended. By its code alone: the text may quote what a tenant wrote, such as an agent's log. */
export const markEndedBy = (step: Span, { code }: { code: string }): void => markFailed(step, { code, message: '' });

const NOBODY_LOOKS: Span = trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: TraceFlags.NONE });

function begin(
  by: Tracer,
  name: string,
  { linkTo, ...options }: StepOptions,
  parent: ParentContext | undefined,
  startTime?: number,
): Span {
  const link = parseTraceparent(linkTo);
  const span: SpanOptions = { ...options, startTime, links: link && [{ context: toSpanContext(link) }] };
  return by.startSpan(name, span, parent ? trace.setSpanContext(ROOT_CONTEXT, toSpanContext(parent)) : ROOT_CONTEXT);
}

function placeOf(step: Span): TraceContext {
  const { traceId, spanId, traceFlags } = step.spanContext();
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
