import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EventLog, type FeedEvent, FeedTail } from '../feed/index.js';

/** `user:<id>`: everything about a user's tasks and agents; `task:<id>`: one task. */
export interface Topic {
  kind: 'user' | 'task';
  id: string;
}

export interface Subscriber {
  /** Called with each later event once, in order, until `unsubscribe`. */
  deliver(event: FeedEvent): void;
}

export interface Replay {
  /** Everything after the cursor, in order, up to the moment the live feed takes over. */
  events: FeedEvent[];
  /** `false`: there was more than one answer carries, and nothing is subscribed yet; ask again after the last `seq`. */
  complete: boolean;
}

const PAGE = 500;
const MAX_REPLAY = 5000;

/**
 * Brings the feed to the subscribers of this process. Every process follows the whole feed by itself, so a subscriber
 * may be connected to any of them.
 *
 * A subscription with a cursor has neither gap nor double: it is registered first, gathers live events while the past
 * is read from the table, and joins the two at their `seq`, which follows the order of commits.
 */
@Injectable()
export class Hub implements OnApplicationBootstrap {
  private readonly topics = new Map<string, Map<Subscriber, Subscription>>();

  constructor(
    private readonly log: EventLog,
    private readonly tail: FeedTail,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.tail.follow((events) => this.dispatch(events));
  }

  /**
   * @param afterSeq cursor; unset: only what happens from now on
   * @param replay receives the past, in the very turn in which the live feed takes over, so nothing gets between the two
   */
  async subscribe(
    topic: Topic,
    subscriber: Subscriber,
    afterSeq: number | undefined,
    replay: (past: Replay) => void,
  ): Promise<void> {
    const subscription: Subscription = { gathered: [], replayedTo: afterSeq ?? 0 };
    this.register(topic, subscriber, subscription);
    try {
      const past = afterSeq === undefined ? [] : await this.read(topic, afterSeq);
      const last = past.at(-1)?.seq ?? afterSeq ?? 0;
      if (past.length === MAX_REPLAY) {
        replay({ events: past, complete: false });
        return this.giveUp(topic, subscriber, subscription, last);
      }
      const meanwhile = (subscription.gathered ?? []).filter((event) => event.seq > last);
      subscription.gathered = null;
      subscription.replayedTo = last;
      replay({ events: [...past, ...meanwhile], complete: true });
    } catch (error) {
      this.giveUp(topic, subscriber, subscription, 0);
      throw error;
    }
  }

  unsubscribe(topic: Topic, subscriber: Subscriber): void {
    const key = topicName(topic);
    const subscriptions = this.topics.get(key);
    subscriptions?.delete(subscriber);
    if (subscriptions?.size === 0) this.topics.delete(key);
  }

  /** What was gathered for a replay that does not come is still owed to the subscriber's other topics. */
  private giveUp(topic: Topic, subscriber: Subscriber, { gathered }: Subscription, replayedTo: number): void {
    this.unsubscribe(topic, subscriber);
    for (const event of gathered ?? []) if (event.seq > replayedTo) this.hand(event, subscriber);
  }

  private register(topic: Topic, subscriber: Subscriber, subscription: Subscription): void {
    const key = topicName(topic);
    const subscriptions = this.topics.get(key) ?? new Map<Subscriber, Subscription>();
    subscriptions.set(subscriber, subscription);
    this.topics.set(key, subscriptions);
  }

  private async read(topic: Topic, afterSeq: number): Promise<FeedEvent[]> {
    const events: FeedEvent[] = [];
    let page: FeedEvent[];
    do {
      const cursor = events.at(-1)?.seq ?? afterSeq;
      page = await (topic.kind === 'task'
        ? this.log.readTask(topic.id, cursor, PAGE)
        : this.log.readUser(topic.id, cursor, PAGE));
      events.push(...page);
    } while (page.length === PAGE && events.length < MAX_REPLAY);
    return events;
  }

  private dispatch(events: FeedEvent[]): void {
    for (const event of events) {
      const followers = topicsOf(event).flatMap((topic) => [...(this.topics.get(topic)?.keys() ?? [])]);
      for (const subscriber of new Set(followers)) this.hand(event, subscriber);
    }
  }

  /** A subscriber gets an event once, whatever number of its topics it belongs to: in a replay, or else live. */
  private hand(event: FeedEvent, subscriber: Subscriber): void {
    const subscriptions = topicsOf(event).flatMap((topic) => this.topics.get(topic)?.get(subscriber) ?? []);
    const gathering = subscriptions.filter(({ gathered }) => gathered);
    for (const { gathered } of gathering) gathered?.push(event);
    const due = subscriptions.length > 0 && gathering.length === 0;
    if (due && subscriptions.every(({ replayedTo }) => event.seq > replayedTo)) subscriber.deliver(event);
  }
}

interface Subscription {
  /** Live events that came while the past was read; null once it is live. */
  gathered: FeedEvent[] | null;
  /** The replay carried everything up to here: the table may be ahead of the live feed of this process. */
  replayedTo: number;
}

/** A topic as clients write it. */
export const topicName = ({ kind, id }: Topic): string => `${kind}:${id}`;

const topicsOf = (event: FeedEvent): string[] => [
  ...(event.user_id ? [`user:${event.user_id}`] : []),
  ...(event.task_id ? [`task:${event.task_id}`] : []),
];
