import type { Schemas } from './api-types.js';
import { pauseBefore, sleep } from './backoff.js';
import { ApiError, ConnectionError, ZeroStateError } from './errors.js';
import { readEvents } from './server-sent-events.js';
import type { Transport } from './transport.js';

export type FeedEvent = Schemas['FeedEvent'];

export interface FollowOptions {
  /**
   * Starts after the event with this `seq`; 0 is the oldest that is kept. Without it, with what happens from now on; then
   * a connection that breaks before the first event may miss some.
   */
  afterSeq?: number;
  signal?: AbortSignal;
  /** Called when events after the cursor are gone: from `oldestSeq` on the feed is complete. */
  onGap?: (oldestSeq: number | undefined) => void;
}

/** The server writes a comment every 15 s, so a connection that is silent for longer is dead, ms. */
const IDLE_MS = 45_000;

/**
 * Yields events in order, each once, over as many connections as it takes. Ends by itself only for the events of one
 * task, when the task has ended.
 *
 * @param path `/events` or `/tasks/<id>/events`
 * @throws ApiError when the server refuses the stream, the signal's reason when it aborts
 */
export async function* follow(
  transport: Transport,
  path: string,
  { afterSeq, signal, onGap }: FollowOptions,
): AsyncGenerator<FeedEvent, void, undefined> {
  let cursor = afterSeq;
  let failures = 0;
  for (;;) {
    const connection = new AbortController();
    const both = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal;
    let pause = 0;
    try {
      const response = await transport.send({
        ...{ method: 'GET', path, signal: both, isRepeatable: true, isStream: true },
        headers: { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': String(cursor) }) },
      });
      if (response.status === 204 || !response.body) return;
      for await (const { type, data, id, retry } of readEvents(response.body, IDLE_MS)) {
        if (retry !== undefined) pause = retry;
        if (data === '') continue;
        const value = JSON.parse(data) as FeedEvent & { oldest_seq?: number };
        if (type === 'gap') onGap?.(value.oldest_seq);
        if (id === undefined) continue; // `closing` too: a new connection, or its refusal, says what to do
        cursor = value.seq;
        failures = 0;
        yield value;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
    } finally {
      connection.abort();
    }
    failures += 1;
    await sleep(Math.max(pause, pauseBefore(failures)), signal);
  }
}

/** Whether another connection may succeed. A stream that breaks throws an error of `fetch`. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status >= 500;
  return error instanceof ConnectionError || !(error instanceof ZeroStateError);
}
