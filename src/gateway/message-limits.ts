import type { EventEmitter } from 'node:events';
import type { Socket } from 'socket.io';
import { AppError } from '../common/app-error.js';
import { isFull, queue } from './fan-out.js';
import type { Listener } from './listener.js';
import { toRefusal } from './refusal.js';

/** How long a client that is disconnected for flooding has to read the reason, ms. */
const TOLD_WITHIN_MS = 1000;
/** Maximum size of an acknowledgement without events, bytes. */
const ACKNOWLEDGEMENT = 256;

/**
 * Disconnects a client that keeps sending messages or packets of any kind. It counts from the first packet, before the
 * client has identified itself.
 * @param listenerOf the listener of an accepted connection
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
    // Closing would continue to read until the client agrees.
    socket.pause();
    setTimeout(() => socket.terminate(), TOLD_WITHIN_MS);
  };
  connection.on('packet', countPacket);
  // These are WebSocket frames, which `ws` answers below Socket.IO. `ws` ends a connection with 60 pending answers, so
  // they cannot pile up; this counts their rate.
  socket.on('ping', countPacket);
}

/**
 * Refuses messages of a client that sends more than it needs. Disconnects a client that requests much and reads
 * nothing.
 */
export function limitMessages(client: Socket, listener: Listener): void {
  const messages = new Budget(100, 20);
  client.use((packet, next) => {
    queue(listener, ACKNOWLEDGEMENT);
    // Too much already waits for the client to send it a message.
    if (isFull(listener)) return client.conn.close(true);
    if (messages.spend()) return next();
    const acknowledge: unknown = packet.at(-1);
    if (typeof acknowledge === 'function') acknowledge(toRefusal(TOO_MANY));
  });
}

const TOO_MANY = new AppError('exhausted', 'TOO_MANY_MESSAGES', 'Too many messages on this connection: wait a second.');
const FLOODED = new AppError(
  'exhausted',
  'TOO_MANY_MESSAGES',
  'Too many messages on this connection despite refusals: connect again, and wait for acknowledgements.',
);

/** The part of npm's `ws` connection, below Socket.IO, that is used here. */
interface WebSocket extends EventEmitter {
  pause(): void;
  terminate(): void;
}

/** A token bucket. */
class Budget {
  private tokens: number;
  private filledAt = Date.now();

  /**
   * @param burst messages accepted in a row
   * @param perSecond messages gained per second
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
