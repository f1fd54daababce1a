import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { stringify } from '../common/raw-json.js';
import { EventLog, type FeedEvent, FeedTail } from '../feed/index.js';
import { recordSpan, SpanKind } from '../observability/index.js';
import { isAnnouncement, type Topic, topicName, topicsOf } from './topic.js';

export interface Subscriber {
  /** Called with each later event once, in order, until `unsubscribe`. */
  deliver(event: FeedEvent): void;
  /** Whether it may follow several topics at once. */
  readonly followsSeveral?: boolean;
}

export interface Replay {
  /** Everything after the cursor, in order, up to the moment the live feed takes over. */
  events: FeedEvent[];
  /**
   * `false`: more events follow than one answer carries, and nothing is subscribed yet. Ask again after the last `seq`.
   */
  complete: boolean;
  /**
   * Events after the cursor were deleted because of their age; the feed is complete from `oldest_seq` on. Or the cursor
   * is beyond the end of this feed, and so has no past here.
   */
  gap?: true;
  oldest_seq?: number;
}

/** Events per read. */
export const PAGE = 200;
/** The most that one answer carries: events, and about this many characters of their data. */
const MAX_REPLAY = 5000;
const MAX_REPLAY_SIZE = 1024 * 1024;

/**
 * Delivers the feed to the subscribers of this process. Every process follows the whole feed, so a subscriber may
 * connect to any of them.
 *
 * A subscription with a cursor has neither gaps nor duplicates. It is registered first and collects live events while
 * the past is read from the table. Then it joins the two at their `seq`, which follows the order of commits.
 */
@Injectable()
export class Hub implements OnApplicationBootstrap {
  private readonly topics = new Map<string, Map<Subscriber, Subscription>>();

  constructor(
    private readonly log: EventLog,
    private readonly tail: FeedTail,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.tail.follow({
      deliver: (events) => this.dispatch(events),
      wants: () => this.topics.size > 0,
    });
  }

  /**
   * @param afterSeq cursor; unset: new events only
   * @param replay receives the past in the turn in which the live feed takes over, so that no event gets between the
   *   two
   * @param most limit of past events to read
   */
  async subscribe(
    topic: Topic,
    subscriber: Subscriber,
    afterSeq: number | undefined,
    replay: (past: Replay) => void,
    most = MAX_REPLAY,
  ): Promise<void> {
    const subscription: Subscription = { gathered: [], replayedTo: afterSeq ?? 0 };
    this.register(topic, subscriber, subscription);
    try {
      const read = afterSeq === undefined ? NO_PAST : await this.read(topic, afterSeq, most);
      const past = subscriber.followsSeveral ? upTo(this.tail.position, read) : read;
      const last = past.events.at(-1)?.seq ?? (isOfAnotherFeed(afterSeq, past) ? 0 : afterSeq) ?? 0;
      if (!this.isCurrent(topic, subscriber, subscription)) {
        // It was unsubscribed meanwhile, or subscribed again.
        return replay({ ...past, complete: false });
      }
      if (!past.complete) {
        replay(past);
        this.end(topic, subscriber);
        return;
      }
      const meanwhile = (subscription.gathered ?? []).filter((event) => event.seq > last);
      subscription.gathered = null;
      subscription.replayedTo = last;
      replay({ ...past, events: [...past.events, ...meanwhile] });
    } catch (error) {
      if (this.isCurrent(topic, subscriber, subscription)) this.end(topic, subscriber);
      throw error;
    }
  }

  /**
   * @returns the cursor for resuming the topic: everything up to it has been delivered. Undefined if it was not
   *   subscribed
   */
  unsubscribe(topic: Topic, subscriber: Subscriber): number | undefined {
    const subscription = this.end(topic, subscriber);
    if (!subscription) return undefined;
    return subscription.gathered ? subscription.replayedTo : Math.max(subscription.replayedTo, this.tail.position);
  }

  /** A topic's events after a cursor, oldest first. */
  history(topic: Topic, afterSeq: number, limit: number): Promise<FeedEvent[]> {
    switch (topic.kind) {
      case 'task':
        return this.log.readTask(topic.id, afterSeq, limit);
      case 'user':
        return this.log.readUser(topic.id, afterSeq, limit);
      case 'agent':
        return this.log.readAgent(topic.id, afterSeq, limit);
      case 'admin':
        return this.log.readAfter(afterSeq, limit);
    }
  }

  /**
   * Whether events after the cursor were deleted. Ask after reading, so that a deletion meanwhile is noticed.
   * @param first the first event that was read: nothing of a task precedes `task.queued`
   */
  async gapAfter(afterSeq: number, topic: Topic, first?: FeedEvent): Promise<Pick<Replay, 'gap' | 'oldest_seq'>> {
    if (topic.kind === 'task' && first?.type === 'task.queued') return {};
    const { oldest, last } = await this.log.bounds();
    return afterSeq < oldest - 1 || afterSeq > last ? { gap: true, oldest_seq: oldest } : {};
  }

  /** Number of subscriptions, by kind of topic. */
  counts(): Record<Topic['kind'], number> {
    const counts = { user: 0, task: 0, agent: 0, admin: 0 };
    for (const [name, subscriptions] of this.topics) {
      counts[name.split(':')[0] as Topic['kind']] += subscriptions.size;
    }
    return counts;
  }

  /** @returns the ended subscriptions */
  private end(topic: Topic, subscriber: Subscriber): Subscription | undefined {
    const key = topicName(topic);
    const subscriptions = this.topics.get(key);
    const subscription = subscriptions?.get(subscriber);
    if (!subscriptions || !subscription) return undefined;
    subscriptions.delete(subscriber);
    if (subscriptions.size === 0) this.topics.delete(key);
    return subscription;
  }

  private register(topic: Topic, subscriber: Subscriber, subscription: Subscription): void {
    this.end(topic, subscriber);
    const key = topicName(topic);
    const subscriptions = this.topics.get(key) ?? new Map<Subscriber, Subscription>();
    subscriptions.set(subscriber, subscription);
    this.topics.set(key, subscriptions);
  }

  private isCurrent(topic: Topic, subscriber: Subscriber, subscription: Subscription): boolean {
    return this.topics.get(topicName(topic))?.get(subscriber) === subscription;
  }

  private async read(topic: Topic, afterSeq: number, most: number): Promise<Replay> {
    const events: FeedEvent[] = [];
    let size = 0;
    let complete = false;
    while (!complete && events.length < most && size < MAX_REPLAY_SIZE) {
      const page = await this.history(topic, events.at(-1)?.seq ?? afterSeq, PAGE);
      complete = page.length < PAGE;
      for (const event of page) {
        if (size >= MAX_REPLAY_SIZE) complete = false;
        else events.push(event);
        size += stringify(event.data).length;
      }
    }
    return { events, complete, ...(await this.gapAfter(afterSeq, topic, events[0])) };
  }

  private dispatch(events: FeedEvent[]): void {
    for (const event of events) {
      const followers = this.followersOf(event);
      if (followers.size === 0) continue;
      for (const [subscriber, subscriptions] of followers) hand(event, subscriber, subscriptions);
      recordSpan('event.deliver', event.traceparent, Date.parse(event.at), deliveryStep(event));
    }
  }

  /** The subscribers of an event, with the subscriptions that match. */
  private followersOf(event: FeedEvent): Map<Subscriber, Subscription[]> {
    const followers = new Map<Subscriber, Subscription[]>();
    for (const topic of this.topicsOf(event)) {
      for (const [subscriber, subscription] of this.topics.get(topic) ?? []) {
        const others = followers.get(subscriber);
        if (others) others.push(subscription);
        else followers.set(subscriber, [subscription]);
      }
    }
    return followers;
  }

  private topicsOf(event: FeedEvent): string[] {
    if (!isAnnouncement(event)) return topicsOf(event);
    return [...topicsOf(event), ...[...this.topics.keys()].filter((topic) => topic.startsWith('user:'))];
  }
}

interface Subscription {
  /** Live events that arrived while the past was read; null once it is live. */
  gathered: FeedEvent[] | null;
  /** The replay delivered everything up to here: the table may be ahead of this process's live feed. */
  replayedTo: number;
}

/**
 * A subscriber gets each live event once, however many of its topics match, and not after a replay delivered it. A
 * replay in progress does not delay other topics: they would get the event late, out of order, or never.
 */
function hand(event: FeedEvent, subscriber: Subscriber, subscriptions: Subscription[]): void {
  let due = false;
  let carried = false;
  for (const { gathered, replayedTo } of subscriptions) {
    if (gathered) gathered.push(event);
    else if (event.seq > replayedTo) due = true;
    else carried = true;
  }
  if (due && !carried) subscriber.deliver(event);
}

/**
 * Events in the table that this process has not yet read live arrive live, for all topics they belong to. If a topic's
 * replay delivered them, the other topics would miss them.
 */
function upTo(position: number, past: Replay): Replay {
  const events = past.events.filter(({ seq }) => seq <= position);
  return events.length === past.events.length ? past : { ...past, events, complete: true };
}

const deliveryStep = ({ type, seq, task_id }: FeedEvent) => ({
  kind: SpanKind.PRODUCER,
  attributes: { 'zerostate.event.type': type, 'zerostate.event.seq': seq, 'zerostate.task.id': task_id ?? undefined },
});

/** Reports a gap only if there is one: deletion leaves a hole before the oldest event. */
const isOfAnotherFeed = (afterSeq = 0, { oldest_seq = Infinity }: Replay): boolean => afterSeq >= oldest_seq;

const NO_PAST: Replay = { events: [], complete: true };
