import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { stringify } from '../common/raw-json.js';
import { EventLog, type FeedEvent, FeedTail } from '../feed/index.js';
import { recordStep, SpanKind } from '../observability/index.js';
import { isAnnouncement, type Topic, topicName, topicsOf } from './topic.js';

export interface Subscriber {
  /** Called with each later event once, in order, until `unsubscribe`. */
  deliver(event: FeedEvent): void;
  /** Whether it may follow several topics at a time. */
  readonly followsSeveral?: boolean;
}

export interface Replay {
  /** Everything after the cursor, in order, up to the moment the live feed takes over. */
  events: FeedEvent[];
  /** `false`: there was more than one answer carries, and nothing is subscribed yet; ask again after the last `seq`. */
  complete: boolean;
  /**
   * Events after the cursor have been deleted for their age: the first that is surely there has the number `oldest_seq`. Or the
   * cursor is of another feed, since it is beyond the end of this one: there is no past to it.
   */
  gap?: true;
  oldest_seq?: number;
}

/** Events read at a time. */
export const PAGE = 200;
/** What one answer carries at the most: events, and about this many characters of their data. */
const MAX_REPLAY = 5000;
const MAX_REPLAY_SIZE = 1024 * 1024;

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
   * @param most events to read of the past
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
        // Unsubscribed meanwhile, or asked for anew.
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
   * @returns the cursor to resume the topic after: everything up to there has been delivered; undefined when it was not
   * subscribed
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
   * To be asked after reading what follows the cursor, so that what was deleted meanwhile is noticed.
   * @param first what was read first: nothing of a task comes before it is queued
   */
  async gapAfter(afterSeq: number, topic: Topic, first?: FeedEvent): Promise<Pick<Replay, 'gap' | 'oldest_seq'>> {
    if (topic.kind === 'task' && first?.type === 'task.queued') return {};
    const { oldest, last } = await this.log.bounds();
    return afterSeq < oldest - 1 || afterSeq > last ? { gap: true, oldest_seq: oldest } : {};
  }

  /** How many subscriptions there are, by kind of topic. */
  counts(): Record<Topic['kind'], number> {
    const counts = { user: 0, task: 0, agent: 0, admin: 0 };
    for (const [name, subscriptions] of this.topics) {
      counts[name.split(':')[0] as Topic['kind']] += subscriptions.size;
    }
    return counts;
  }

  /** @returns what was ended */
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
      recordStep('event.deliver', event.traceparent, Date.parse(event.at), deliveryStep(event));
    }
  }

  /** Who follows an event, and by which subscriptions. */
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
  /** Live events that came while the past was read; null once it is live. */
  gathered: FeedEvent[] | null;
  /** The replay carried everything up to here: the table may be ahead of the live feed of this process. */
  replayedTo: number;
}

/**
 * A subscriber gets an event live once, whatever number of its topics it belongs to, and not after a replay has carried it. A
 * replay that is still being read holds nothing up: its other topics would get the event late, after younger ones, or never.
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
 * What the table has beyond the live feed of this process comes live, to all topics it belongs to: a replay of one that carried it
 * would take it from the others.
 */
function upTo(position: number, past: Replay): Replay {
  const events = past.events.filter(({ seq }) => seq <= position);
  return events.length === past.events.length ? past : { ...past, events, complete: true };
}

const deliveryStep = ({ type, seq, task_id }: FeedEvent) => ({
  kind: SpanKind.PRODUCER,
  attributes: { 'zerostate.event.type': type, 'zerostate.event.seq': seq, 'zerostate.task.id': task_id ?? undefined },
});

/** Where there is a gap at all: one that deletion has left begins before what is there. */
const isOfAnotherFeed = (afterSeq = 0, { oldest_seq = Infinity }: Replay): boolean => afterSeq >= oldest_seq;

const NO_PAST: Replay = { events: [], complete: true };
