import type { Socket } from 'node:net';
import type { Response } from 'express';

/** Of each connection with a request under way, those behind it. */
const lines = new WeakMap<Socket, (() => void)[]>();

/** Whether a request of this connection is under way. */
export const isBusy = (socket: Socket): boolean => lines.has(socket);

/**
 * Begins the work on a request once those before it on its connection are answered.
 * @returns false when too many wait already
 */
export function inTurn(socket: Socket, response: Response, begin: () => void, maxWaiting: number): boolean {
  const line = lines.get(socket);
  if (line && line.length >= maxWaiting) return false;
  response.once('close', () => {
    const next = lines.get(socket)?.shift();
    if (next) next();
    else lines.delete(socket);
  });
  if (line) {
    line.push(begin);
  } else {
    lines.set(socket, []);
    begin();
  }
  return true;
}
