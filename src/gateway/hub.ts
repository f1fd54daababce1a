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
    const subscription: Subscription = { gathered: [] };
    this.register(topic, subscriber, subscription);
    try {
      const past = afterSeq === undefined ? [] : await this.read(topic, afterSeq);
      if (past.length === MAX_REPLAY) {
        this.unsubscribe(topic, subscriber);
        return replay({ events: past, complete: false });
      }
      const last = past.at(-1)?.seq ?? afterSeq ?? 0;
      const meanwhile = (subscription.gathered ?? []).filter((event) => event.seq > last);
      subscription.gathered = null;
      replay({ events: [...past, ...meanwhile], complete: true });
    } catch (error) {
      this.unsubscribe(topic, subscriber);
      throw error;
    }
  }

  unsubscribe(topic: Topic, subscriber: Subscriber): void {
    const key = keyOf(topic);
    const subscriptions = this.topics.get(key);
    subscriptions?.delete(subscriber);
    if (subscriptions?.size === 0) this.topics.delete(key);
  }

  private register(topic: Topic, subscriber: Subscriber, subscription: Subscription): void {
    const key = keyOf(topic);
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
      // A subscriber of both the user and the task gets the event once.
      const receivers = new Set<Subscriber>();
      for (const topic of topicsOf(event)) {
        for (const [subscriber, subscription] of this.topics.get(topic) ?? []) {
          if (subscription.gathered) subscription.gathered.push(event);
          else receivers.add(subscriber);
        }
      }
      for (const subscriber of receivers) subscriber.deliver(event);
    }
  }
}

interface Subscription {
  /** Live events that came while the past was read; null once it is live. */
  gathered: FeedEvent[] | null;
}

const keyOf = ({ kind, id }: Topic): string => `${kind}:${id}`;

const topicsOf = (event: FeedEvent): string[] => [
  ...(event.user_id ? [`user:${event.user_id}`] : []),
  ...(event.task_id ? [`task:${event.task_id}`] : []),
];
