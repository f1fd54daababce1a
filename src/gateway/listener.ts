import { setTimeout as pause } from 'node:timers/promises';
import type { Socket } from 'socket.io';
import type { Caller, LongLivedConnection } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import type { FeedEvent } from '../feed/index.js';
import { type FanOut, isBehind, type Receiver } from './fan-out.js';
import type { Subscriber } from './hub.js';
import { type Topic, topicName } from './topic.js';

/** Topics that one connection may follow at once. */
const MAX_TOPICS = 100;
/** Subscriptions of one connection that may wait. */
const MAX_WAITING = 100;
/** How often a replay checks whether its client has read, ms. */
const DRAIN_POLL_MS = 20;

/**
 * One client of the socket gateway: what it follows, its credentials, and what waits for it. A process has ten thousand
 * of them, so it uses methods instead of closures per client.
 */
export class Listener implements Subscriber, Receiver, LongLivedConnection {
  readonly followsSeveral = true;
  /** By name. */
  readonly topics = new Map<string, Topic>();
  queuedBytes = 0;
  queuedSince = 0;
  /** Frees its place; unset before it has one. */
  leave?: () => void;
  /** Ends with the last waiting subscription; unset if none waits. */
  private turns?: Promise<void>;
  private waiting = 0;

  /**
   * @param caller the current user; `auth.refresh` changes it
   * @param address the client's address
   */
  constructor(
    readonly socket: Socket,
    public caller: Caller,
    readonly address: string,
    private readonly fanOut: FanOut<Listener>,
  ) {}

  deliver(event: FeedEvent): void {
    this.fanOut.add(event, this);
  }

  /**
   * Takes a place for a topic that is about to be followed.
   * @returns whether it had none
   * @throws AppError `exhausted` `TOO_MANY_TOPICS`
   */
  reserve(topic: Topic): boolean {
    const name = topicName(topic);
    if (this.topics.has(name)) return false;
    if (this.topics.size >= MAX_TOPICS) {
      throw new AppError(
        'exhausted',
        'TOO_MANY_TOPICS',
        `Too many topics (limit ${MAX_TOPICS} per connection): unsubscribe from one first.`,
      );
    }
    this.topics.set(name, topic);
    return true;
  }

  /**
   * Runs replays one after the other, each when the client has read most of the one before, because a client may
   * request more than it reads.
   * @throws AppError `exhausted` `TOO_MANY_MESSAGES`
   */
  async inTurn(work: () => Promise<void>): Promise<void> {
    if (this.waiting >= MAX_WAITING) {
      throw new AppError('exhausted', 'TOO_MANY_MESSAGES', 'Too many subscriptions wait: read the answers first.');
    }
    this.waiting += 1;
    const turn = (this.turns ?? Promise.resolve()).then(() => this.caughtUp()).then(work);
    const over = turn
      .catch(() => undefined)
      .then(() => {
        this.waiting -= 1;
        if (this.waiting === 0) this.turns = undefined;
      });
    this.turns = over;
    await turn;
  }

  /** Resolves when the client has read most of what waits for it, or has left. */
  async caughtUp(): Promise<void> {
    while (this.socket.connected && isBehind(this)) await pause(DRAIN_POLL_MS);
  }

  onAccessEnded(reason: AppError): void {
    this.close(reason);
  }

  /** Sends the reason before it closes the connection. */
  close({ code, message }: AppError): void {
    this.socket.emit('closing', { code, message });
    this.socket.disconnect(true);
  }
}
