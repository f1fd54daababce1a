import type { Socket } from 'socket.io';
import type { Caller, LastingConnection } from '../auth/index.js';
import type { AppError } from '../common/app-error.js';
import type { FeedEvent } from '../feed/index.js';
import type { FanOut, Receiver } from './fan-out.js';
import type { Subscriber } from './hub.js';
import { MessageBudget } from './message-budget.js';
import type { Topic } from './topic.js';

/**
 * One client of the socket gateway: what it follows, by whose access, and what waits for it. There are ten thousand of them
 * in a process, so it has methods instead of closures of its own.
 */
export class Listener implements Subscriber, Receiver, LastingConnection {
  /** By name. */
  readonly topics = new Map<string, Topic>();
  readonly budget = new MessageBudget();
  queuedBytes = 0;
  queuedSince = 0;
  /** Gives its place back; unset before it has one. */
  leave?: () => void;

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

  onAccessEnded(reason: AppError): void {
    this.close(reason);
  }

  /** Tells why before it closes. */
  close({ code, message }: AppError): void {
    this.socket.emit('closing', { code, message });
    this.socket.disconnect(true);
  }
}
