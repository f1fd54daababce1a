import { Injectable } from '@nestjs/common';
import type { Caller } from '../auth/index.js';
import { asSeenBy, END_EVENTS, type FeedEvent } from '../feed/index.js';
import { Hub, type Replay, type Subscriber, type Topic } from '../gateway/index.js';

const PAGE = 200;
/** Events that wait for a slow client; further partial output is left out, as the result has the whole. */
const MOST_WAITING = 1000;

const SHOWN = new Set([
  ...['task.assigned', 'task.running', 'task.failover', 'task.requeued', 'task.output', 'task.input_required'],
  ...END_EVENTS,
]);

/** Lets a call follow its task by the feed, on whichever node the task runs. */
@Injectable()
export class TaskFollower {
  constructor(private readonly hub: Hub) {}

  /** Events of a task of the caller, from `afterSeq` on, until its end or until the signal aborts. */
  async *follow(caller: Caller, taskId: string, afterSeq: number, signal: AbortSignal): AsyncGenerator<FeedEvent> {
    const topic: Topic = { kind: 'task', id: taskId };
    const waiting: FeedEvent[] = [];
    let wake = (): void => undefined;
    const deliver = (event: FeedEvent): void => {
      const isRoom = waiting.length < MOST_WAITING || event.type !== 'task.output';
      const seen = SHOWN.has(event.type) && isRoom ? asSeenBy(caller, event) : null;
      if (seen) waiting.push(seen);
      wake();
    };
    const subscriber: Subscriber = { deliver };
    const onAbort = (): void => wake();
    signal.addEventListener('abort', onAbort);
    try {
      let past: Replay | undefined;
      while (!past?.complete) {
        const cursor: number = past?.events.at(-1)?.seq ?? afterSeq;
        await this.hub.subscribe(topic, subscriber, cursor, (replay) => (past = replay), PAGE);
        for (const event of past?.events ?? []) deliver(event);
      }
      while (!signal.aborted) {
        const event = waiting.shift();
        if (event) {
          yield event;
          if (END_EVENTS.has(event.type)) return;
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.hub.unsubscribe(topic, subscriber);
    }
  }
}
