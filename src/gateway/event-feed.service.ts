import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { type Caller, LongLivedAccess } from '../auth/index.js';
import { wantsEventStream } from '../common/event-stream.js';
import { asSeenBy, type FeedEvent } from '../feed/index.js';
import { ConnectionLimits } from './connection-limits.js';
import type { EventPage, EventsQuery } from './event.dto.js';
import { EventStreamResponse } from './event-stream-response.js';
import { Hub, PAGE, type Replay } from './hub.js';
import type { Topic } from './topic.js';

/** The part of the feed that a route serves. */
export interface Feed {
  topic: Topic;
  /** The stream ends after this event. */
  isLast?: (event: FeedEvent) => boolean;
  /** No further event will come. */
  ended?: boolean;
}

/** The feed over plain HTTP: a page of JSON, or past and future as server-sent events, as `Accept` asks. */
@Injectable()
export class EventFeed {
  openStreams = 0;

  constructor(
    private readonly hub: Hub,
    private readonly limits: ConnectionLimits,
    private readonly access: LongLivedAccess,
  ) {}

  async answer(caller: Caller, feed: Feed, query: EventsQuery, request: Request, response: Response): Promise<void> {
    if (!wantsEventStream(request)) {
      response.json(await this.page(caller, feed, query));
      return;
    }
    const lastEventId = request.header('last-event-id') ?? '';
    const afterSeq = /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : query.after_seq;
    // Express routes HEAD to the GET handler; answer only the headers.
    if (request.method === 'HEAD') return void response.type('text/event-stream').end();
    // The client may have left already; then no later event reports it.
    if (response.destroyed) return;
    const address = request.ip ?? '';
    this.limits.check(caller.id, address);
    response.on('close', this.limits.take(caller.id, address));
    this.openStreams += 1;
    response.on('close', () => (this.openStreams -= 1));
    await this.stream(caller, feed, afterSeq, response);
  }

  private async page(caller: Caller, { topic }: Feed, { after_seq, limit }: EventsQuery): Promise<EventPage> {
    const events = await this.hub.history(topic, after_seq, limit + 1);
    const page = events.slice(0, limit);
    const items = page.flatMap((event) => asSeenBy(caller, event) ?? []);
    const next_cursor = events.length > limit ? page[page.length - 1].seq : null;
    return { items, next_cursor, ...(await this.hub.gapAfter(after_seq, topic, events[0])) };
  }

  private async stream(caller: Caller, feed: Feed, afterSeq: number, response: Response): Promise<void> {
    const { topic, isLast = () => false, ended = false } = feed;
    const stream = new EventStreamResponse(response, (event) => asSeenBy(caller, event), isLast);
    stream.onClose(() => this.hub.unsubscribe(topic, stream));
    stream.onClose(this.access.keep({ caller, onAccessEnded: (reason) => stream.endFor(reason) }));
    let cursor = afterSeq;
    let complete = false;
    while (!complete && !stream.closed) {
      const send = (past: Replay): void => {
        if (past.gap) stream.tellGap(past.oldest_seq as number);
        for (const event of past.events) stream.send(event);
        cursor = past.events.at(-1)?.seq ?? cursor;
        complete = past.complete;
      };
      await this.hub.subscribe(topic, stream, cursor, send, PAGE);
      if (!complete) await stream.drained();
    }
    // 204 stops a browser's EventSource, which otherwise reconnects after every end.
    if (ended && cursor === afterSeq) return stream.endEmpty();
    if (!stream.closed) stream.open();
    if (stream.closed) this.hub.unsubscribe(topic, stream);
    if (ended) stream.end();
  }
}
