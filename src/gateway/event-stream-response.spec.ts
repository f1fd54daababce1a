import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Response } from 'express';
import { EventStreamResponse } from './event-stream-response.js';

describe('a stream of server-sent events', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('carries a comment every 15 s, from its headers on until its reader leaves', () => {
    const { response, written } = recorded();
    const stream = new EventStreamResponse(response, () => false);
    jest.advanceTimersByTime(60_000);
    expect(written).toEqual([]);
    stream.open();
    stream.open(); // as the first event does
    jest.advanceTimersByTime(14_999);
    expect(written).toEqual([]);
    jest.advanceTimersByTime(30_001);
    expect(written).toEqual(Array(3).fill(': keep-alive\n\n'));
    response.emit('close');
    jest.advanceTimersByTime(60_000);
    expect(written).toHaveLength(3);
  });
});

/** A response that keeps what is written to it. */
function recorded(): { response: Response; written: string[] } {
  const written: string[] = [];
  const response = Object.assign(new EventEmitter(), {
    headersSent: false,
    writeHead: () => (response.headersSent = true),
    flushHeaders: () => undefined,
    write: (text: string) => written.push(text),
  });
  return { response: response as unknown as Response, written };
}
