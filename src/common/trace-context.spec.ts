import { describe, expect, it } from '@jest/globals';
import { newTrace, parseTraceparent, toTraceparent } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, true],
  ])('%s says where a trace goes on, and whether it is recorded', (text, sampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });

  it.each([
    ['nothing', undefined],
    ['an empty one', ''],
    ['a version that is not allowed', `ff-${TRACE}-${SPAN}-01`],
    ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a step of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['two of them', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['more than the version has', `00-${TRACE}-${SPAN}-01-extra`],
    ['a dash too many', `00-${TRACE}-${SPAN}-01-`],
    ['no flags', `00-${TRACE}-${SPAN}`],
  ])('is not read from %s', (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it('is read as it was written, also of a trace that was begun here', () => {
    const trace = newTrace();
    expect(parseTraceparent(toTraceparent(trace))).toEqual(trace);
    expect(newTrace().traceId).not.toBe(trace.traceId);
    expect(toTraceparent({ ...trace, sampled: true })).toMatch(/-01$/);
  });
});
