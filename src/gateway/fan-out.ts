import type { Server, Socket } from 'socket.io';
import { stringify } from '../common/raw-json.js';
import { type FeedEvent, seenIn, type View, viewOf } from '../feed/index.js';
import type { Caller } from '../auth/index.js';

/**
 * Bytes of events that may wait for one reader: `MOMENT_MS` long, as in a burst, and at any time. Events of one turn
 * wait at least until its end, however fast the client reads.
 */
export const QUEUED_FOR_LONG = 1024 * 1024;
export const QUEUED_AT_ALL = 8 * 1024 * 1024;
/** Length of a burst, ms. */
export const GRACE_MS = 1000;

export interface Receiver {
  readonly socket: Socket;
  readonly caller: Caller;
  /** Bytes handed to the connection since it last read any. */
  queuedBytes: number;
  /** Since when the first of them wait, milliseconds since the epoch. */
  queuedSince: number;
}

/**
 * Sends events to sockets. All events of one turn go out together at its end. Each event is encoded and framed once for
 * all its sockets: with a thousand sockets, encoding is most of the work.
 */
export class FanOut<R extends Receiver> {
  private readonly outbox = new Map<FeedEvent, R[]>();
  /** Events handed to sockets so far, once per socket. */
  delivered = 0;

  /** @param onLagging called for a receiver that reads too slowly; must stop its deliveries */
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
    // Each socket is in a room named by its own id.
    this.server.local.to(receivers.map(({ socket }) => socket.id)).emit('event', event);
    this.delivered += receivers.length;
  }
}

/** Counts bytes that are about to be handed to the connection. */
export function queue(receiver: Receiver, bytes: number): void {
  if (receiver.queuedBytes === 0) receiver.queuedSince = Date.now();
  receiver.queuedBytes += bytes;
}

/** Whether more waits for the client than ever allowed. */
export const isFull = ({ queuedBytes }: Receiver): boolean => queuedBytes > QUEUED_AT_ALL;

const isLagging = (receiver: Receiver): boolean =>
  isFull(receiver) || (isBehind(receiver) && Date.now() - receiver.queuedSince > GRACE_MS);

/** Whether replay must pause until the client has read some. */
export const isBehind = ({ queuedBytes }: Receiver): boolean => queuedBytes > QUEUED_FOR_LONG;
