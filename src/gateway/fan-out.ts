import type { Server, Socket } from 'socket.io';
import { stringify } from '../common/raw-json.js';
import type { FeedEvent } from '../feed/index.js';
import type { Caller } from '../auth/index.js';
import { seenIn, type View, viewOf } from './visibility.js';

/**
 * Bytes of events that may wait for one reader: for a moment, as in a burst, and at the most. What a turn brings waits
 * at least until its end, however fast the client reads.
 */
export const QUEUED_FOR_LONG = 1024 * 1024;
export const QUEUED_AT_ALL = 8 * 1024 * 1024;
/** How long a moment is, ms. */
export const GRACE_MS = 1000;

export interface Receiver {
  readonly socket: Socket;
  readonly caller: Caller;
  /** Bytes handed to the connection since it last took any: what a slow client keeps us from sending. */
  queuedBytes: number;
  /** Since when the first of them wait, milliseconds since the epoch. */
  queuedSince: number;
}

/**
 * Events on their way to sockets. All of one turn go out together at its end, and each event is encoded and framed once
 * however many sockets get it: at a thousand sockets that encoding is most of the work.
 */
export class FanOut<R extends Receiver> {
  private readonly outbox = new Map<FeedEvent, R[]>();
  /** Events handed to sockets so far, counted once for each. */
  delivered = 0;

  /** @param onLagging called for a receiver that reads too slowly to follow; must stop its deliveries */
  constructor(
    private readonly server: Server,
    private readonly onLagging: (receiver: R) => void,
  ) {}

  add(event: FeedEvent, receiver: R): void {
    if (this.outbox.size === 0) queueMicrotask(() => this.flush());
    const receivers = this.outbox.get(event);
    if (receivers) receivers.push(receiver);
    else this.outbox.set(event, [receiver]);
  }

  private flush(): void {
    const touched = new Set<R>();
    for (const [event, receivers] of this.outbox) {
      const byView = new Map<View, R[]>();
      for (const receiver of receivers) {
        const view = viewOf(receiver.caller, event);
        const others = byView.get(view);
        if (others) others.push(receiver);
        else byView.set(view, [receiver]);
      }
      for (const [view, viewers] of byView) {
        const seen = seenIn(view, event);
        if (seen) this.send(seen, viewers);
      }
      for (const receiver of receivers) touched.add(receiver);
    }
    this.outbox.clear();
    for (const receiver of touched) if (isLagging(receiver)) this.onLagging(receiver);
  }

  private send(event: FeedEvent, receivers: Receiver[]): void {
    const bytes = stringify(event).length;
    for (const receiver of receivers) queue(receiver, bytes);
    // A socket is in a room that has its own id for a name.
    this.server.local.to(receivers.map(({ socket }) => socket.id)).emit('event', event);
    this.delivered += receivers.length;
  }
}

/** Counts what is about to be handed to the connection. */
export function queue(receiver: Receiver, bytes: number): void {
  if (receiver.queuedBytes === 0) receiver.queuedSince = Date.now();
  receiver.queuedBytes += bytes;
}

/** Whether more waits for the client than may ever. */
export const isFull = ({ queuedBytes }: Receiver): boolean => queuedBytes > QUEUED_AT_ALL;

const isLagging = (receiver: Receiver): boolean =>
  isFull(receiver) || (isBehind(receiver) && Date.now() - receiver.queuedSince > GRACE_MS);

/** Whether more of the past has to wait until the client has taken some. */
export const isBehind = ({ queuedBytes }: Receiver): boolean => queuedBytes > QUEUED_FOR_LONG;
