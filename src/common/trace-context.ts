import { randomUUID } from 'node:crypto';

/**
 * A place in a trace, as W3C Trace Context passes it between processes: later work belongs to the trace, as a child of
 * this span.
 * @see https://www.w3.org/TR/trace-context/
 */
export interface TraceContext {
  /** 32 hexadecimal digits, lower case; what the log and problem documents call `trace_id`. */
  traceId: string;
  /** 16 hexadecimal digits, lower case. */
  spanId: string;
  /** Whether the initiator of the trace records it. */
  sampled: boolean;
}

/** A trace that is not recorded, only for the log. */
export const newTrace = (): TraceContext => ({ traceId: digits(), spanId: digits().slice(16), sampled: false });

/** @returns undefined if it is not a valid `traceparent` */
export function parseTraceparent(text: string | null | undefined): TraceContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text ?? '') ?? [];
  return traceId ? { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 } : undefined;
}

export const toTraceparent = ({ traceId, spanId, sampled }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;

/** Later versions than 00, which is 55 characters long, may append members. */
const TRACEPARENT = /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const SAMPLED = 1;

const digits = (): string => randomUUID().replaceAll('-', '');
