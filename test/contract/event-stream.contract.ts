import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { type EventStream, type FeedNotice, MAX_SIGNALS } from '../../src/feed/event-stream.js';
import { EVENT_TYPES } from '../../src/feed/index.js';
import { until } from '../support/until.js';

/** A channel of a test's own. */
export interface StreamBackend {
  /** The stream as one more process has it. */
  open(): EventStream;
  /** How many connections the streams listen on. */
  connections(): Promise<number>;
  /** Cuts them all. */
  breakConnections(): Promise<void>;
  drop(): Promise<void>;
}

/** The contract of the port `EventStream`, for one driver. `start` is called before each test. */
export function describeEventStream(name: string, start: () => Promise<StreamBackend>): void {
  describe(`the event stream on ${name}`, () => {
    let backend: StreamBackend;
    let streams: EventStream[];

    beforeAll(() => Logger.overrideLogger(false));
    afterAll(() => Logger.overrideLogger(['error', 'warn', 'log']));

    beforeEach(async () => {
      backend = await start();
      streams = [];
    });

    afterEach(async () => {
      await Promise.all(streams.map((stream) => stream.close()));
      await backend.drop();
    });

    async function open() {
      const stream = backend.open();
      streams.push(stream);
      await stream.ready();
      return { stream, ...listen(stream) };
    }

    it('rings in every process, its own included', async () => {
      const [one, other] = [await open(), await open()];
      const notice: FeedNotice = { seq: 7, signals: [{ type: 'task.cancelled', id: newId() }] };
      await ring(one.stream, notice);
      await until('both have heard it', () => one.heard.length + other.heard.length >= 2);
      expect([one.heard, other.heard]).toEqual([[notice], [notice]]);
    });

    it('carries every ring of many that are published at once', async () => {
      const [one, other] = [await open(), await open()];
      await ring(one.stream, { seq: 0, signals: [] });
      const seqs = Array.from({ length: 200 }, (_, index) => index + 1);
      await Promise.all(seqs.map((seq) => one.stream.publish({ seq, signals: [] })));
      await until('all have arrived', () => other.heard.length === 201);
      expect(other.heard.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual([0, ...seqs]);
    });

    it('carries as many signals as one notice may have, of the longest name', async () => {
      const { stream, heard } = await open();
      const type = EVENT_TYPES.reduce((longest, one) => (one.length > longest.length ? one : longest));
      const signals = Array.from({ length: MAX_SIGNALS }, () => ({ type, id: newId() }));
      const notice = { seq: Number.MAX_SAFE_INTEGER, signals };
      await ring(stream, notice);
      await until('it has arrived', () => heard.length > 0);
      expect(heard).toEqual([notice]);
    });

    it('rings no longer for who has unsubscribed, and still for the others', async () => {
      const { stream, heard } = await open();
      const leaving = listen(stream);
      await ring(stream, { seq: 1, signals: [] });
      await until('both have heard the first', () => heard.length + leaving.heard.length === 2);
      leaving.unsubscribe();
      leaving.unsubscribe();
      await ring(stream, { seq: 2, signals: [] });
      await until('the other has heard the second', () => heard.length === 2);
      expect(leaving.heard.map(({ seq }) => seq)).toEqual([1]);
    });

    it('listens again after its connection broke', async () => {
      const [one, other] = [await open(), await open()];
      await backend.breakConnections();
      let seq = 0;
      await until('rings arrive everywhere again', async () => {
        // Rings of the time without connection are lost, and so may be: each look is a new one.
        await one.stream.publish({ seq: ++seq, signals: [] }).catch(() => undefined);
        return one.heard.length > 0 && other.heard.length > 0;
      });
      const before = other.heard.length;
      await ring(other.stream, { seq: 1_000_000, signals: [] });
      await until('the next one arrives too', () => other.heard.length > before);
      expect(await backend.connections()).toBe(2);
    });

    it('settles a publication when it is closed, instead of keeping its caller waiting', async () => {
      const { stream } = await open();
      await stream.close();
      await stream.publish({ seq: 1, signals: [] }).catch(() => undefined);
    });

    it('may be closed twice, and before it has connected', async () => {
      const unconnected = backend.open();
      await unconnected.close();
      await unconnected.close();
      const { stream, heard } = await open();
      await ring(stream, { seq: 1, signals: [] });
      await until('the others work on', () => heard.length === 1);
      await until('it has left no connection', async () => (await backend.connections()) === 1);
    });
  });
}

function listen(stream: EventStream) {
  const heard: FeedNotice[] = [];
  const unsubscribe = stream.subscribe((notice) => heard.push(notice));
  return { heard, unsubscribe };
}

/** Publishes as soon as there is a connection to do so. */
const ring = (stream: EventStream, notice: FeedNotice): Promise<true> =>
  until('a ring goes out', () =>
    stream.publish(notice).then(
      () => true as const,
      () => false,
    ),
  );
