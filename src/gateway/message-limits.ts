import type { EventEmitter } from 'node:events';
import type { Socket } from 'socket.io';
import { AppError } from '../common/app-error.js';
import { isFull, queue } from './fan-out.js';
import type { Listener } from './listener.js';
import { toRefusal } from './refusal.js';

/** How long a client that is disconnected for its flood has to read why, ms. */
const TOLD_WITHIN_MS = 1000;
/** What an acknowledgement without events takes at the most, bytes. */
const ACKNOWLEDGEMENT = 256;

/**
 * A client that goes on sending, messages or packets of any other kind, is disconnected: from its first packet on, which comes
 * before it has said who it is.
 * @param listenerOf of a connection that has been let in
 */
export function limitPackets(connection: Socket['conn'], listenerOf: () => Listener | undefined): void {
  const packets = new Budget(500, 100);
  const { socket } = connection.transport as unknown as { socket: WebSocket };
  let flooded = false;
  const countPacket = (): void => {
    if (flooded || packets.spend()) return;
    flooded = true;
    const listener = listenerOf();
    if (!listener) return socket.terminate();
    listener.close(FLOODED);
    // Closing would go on reading until the client agrees.
    socket.pause();
    setTimeout(() => socket.terminate(), TOLD_WITHIN_MS);
  };
  connection.on('packet', countPacket);
  // Frames of WebSocket itself, which `ws` answers below Socket.IO. It ends a connection with 60 answers under way, so
  // they cannot pile up; here counts how often they come.
  socket.on('ping', countPacket);
}

/** A client that sends more messages than it needs to has them refused; one that has much answered and reads nothing is disconnected. */
export function limitMessages(client: Socket, listener: Listener): void {
  const messages = new Budget(100, 20);
  client.use((packet, next) => {
    queue(listener, ACKNOWLEDGEMENT);
    // Too much waits for the client already: there is no way to tell it.
    if (isFull(listener)) return client.conn.close(true);
    if (messages.spend()) return next();
    const acknowledge: unknown = packet.at(-1);
    if (typeof acknowledge === 'function') acknowledge(toRefusal(TOO_MANY));
  });
}

const TOO_MANY = new AppError(
  'exhausted',
  'TOO_MANY_MESSAGES',
  'This connection sends too many messages: wait a second.',
);
const FLOODED = new AppError(
  'exhausted',
  'TOO_MANY_MESSAGES',
  'This connection goes on sending too many messages: connect anew, and wait for acknowledgements.',
);

/** What is used of the connection below Socket.IO, of npm's `ws`. */
interface WebSocket extends EventEmitter {
  pause(): void;
  terminate(): void;
}

/** A token bucket. */
class Budget {
  private tokens: number;
  private filledAt = Date.now();

  /**
   * @param burst how many may come in a row
   * @param perSecond how many it gains each second
   */
  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.tokens = burst;
  }

  spend(): boolean {
    const now = Date.now();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
