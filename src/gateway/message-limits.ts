import type { EventEmitter } from 'node:events';
import type { Socket } from 'socket.io';
import { AppError } from '../common/app-error.js';
import { isFull, queue } from './fan-out.js';
import type { Listener } from './listener.js';
import { toRefusal } from './refusal.js';

/** What an acknowledgement without events takes at the most, bytes. */
const ACKNOWLEDGEMENT = 256;

/**
 * A client that sends more messages than it needs to has them refused; one that goes on, with messages or packets of any other
 * kind, is disconnected, and so is one that has much answered and reads nothing.
 */
export function limitMessages(client: Socket, listener: Listener): void {
  const messages = new Budget(100, 20);
  const packets = new Budget(500, 100);
  const countPacket = (): void => {
    if (!packets.spend()) listener.close(FLOODED);
  };
  /** @returns false when too much waits for the client already; there is no way to tell it */
  const mayAnswer = (bytes: number): boolean => {
    queue(listener, bytes);
    if (!isFull(listener)) return true;
    client.conn.close(true);
    return false;
  };
  client.conn.on('packet', countPacket);
  // Frames of WebSocket itself, which `ws` answers below Socket.IO. It ends a connection with 60 answers under way, so
  // they cannot pile up; here counts how often they come.
  const { socket } = client.conn.transport as unknown as { socket: EventEmitter };
  socket.on('ping', countPacket);
  client.use((packet, next) => {
    if (!mayAnswer(ACKNOWLEDGEMENT)) return;
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
