import { setTimeout as pause } from 'node:timers/promises';
import type { Socket } from 'socket.io';
import type { Caller, LastingConnection } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import type { FeedEvent } from '../feed/index.js';
import { type FanOut, isBehind, type Receiver } from './fan-out.js';
import type { Subscriber } from './hub.js';
import { type Topic, topicName } from './topic.js';

/** Topics one connection may follow at a time. */
const MAX_TOPICS = 100;
/** Subscriptions of one connection that may wait for their turn. */
const MAX_WAITING = 100;
/** How often a replay looks whether its client has taken what it was sent, ms. */
const DRAIN_POLL_MS = 20;

/**
 * One client of the socket gateway: what it follows, by whose access, and what waits for it. There are ten thousand of them
 * in a process, so it has methods instead of closures of its own.
 */
export class Listener implements Subscriber, Receiver, LastingConnection {
  readonly followsSeveral = true;
  /** By name. */
  readonly topics = new Map<string, Topic>();
  queuedBytes = 0;
  queuedSince = 0;
  /** Gives its place back; unset before it has one. */
  leave?: () => void;
  /** Ends with the last of those that wait for their turn; unset when none does. */
  private turns?: Promise<void>;
  private waiting = 0;

  /**
   * @param caller by whom it is held now: `auth.refresh` changes it
   * @param address where it comes from
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
      throw new AppError('exhausted', 'TOO_MANY_TOPICS', `One connection follows at most ${MAX_TOPICS} topics.`);
    }
    this.topics.set(name, topic);
    return true;
  }

  /**
   * Runs one after the other what sends the past, each when the client has taken most of what was sent before: it may ask for
   * more than it reads.
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

  /** Resolves when most of what waited for the client has been taken, or it has left. */
  async caughtUp(): Promise<void> {
    while (this.socket.connected && isBehind(this)) await pause(DRAIN_POLL_MS);
  }

  onAccessEnded(reason: AppError): void {
    this.close(reason);
  }

  /** Tells why before it closes. */
  close({ code, message }: AppError): void {
    this.socket.emit('closing', { code, message });
    this.socket.disconnect(true);
  }
}
