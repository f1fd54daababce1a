import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Response } from 'express';
import { AppError } from '../common/app-error.js';
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
    const stream = new EventStreamResponse(
      response,
      (event) => event,
      () => false,
    );
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

  it('writes nothing more once it has ended, though its reader has not taken everything yet', () => {
    const { response, written } = recorded();
    const stream = new EventStreamResponse(
      response,
      (event) => event,
      () => false,
    );
    stream.open();
    stream.end();
    jest.advanceTimersByTime(60_000);
    expect(written).toEqual([]);
  });

  it('is told why its access has ended, and cut off if it does not take that', () => {
    const { response, written } = recorded();
    const stream = new EventStreamResponse(
      response,
      (event) => event,
      () => false,
    );
    stream.endFor(new AppError('unauthorised', 'SESSION_REVOKED', 'This session has been ended.'));
    expect(written.join()).toContain('event: closing\ndata: {"code":"SESSION_REVOKED"');
    expect(response.destroyed).toBe(false);
    jest.advanceTimersByTime(5_000);
    expect(response.destroyed).toBe(true);
  });
});

/** A response that keeps what is written to it. */
function recorded(): { response: Response; written: string[] } {
  const written: string[] = [];
  const response = Object.assign(new EventEmitter(), {
    headersSent: false,
    destroyed: false,
    writeHead: () => (response.headersSent = true),
    flushHeaders: () => undefined,
    write: (text: string) => written.push(text),
    end: () => undefined,
    destroy: () => (response.destroyed = true),
  });
  return { response: response as unknown as Response, written };
}
