import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { ProtectionConfig } from '../config/index.js';
import { addressKey } from './address.js';

const WINDOW_MS = 1000;

/**
 * Keeps one address from taking the server for itself: counted before anything is parsed or decided, so that it costs
 * less to refuse than to ask. Within a second of too many requests the next one is answered 429 on a connection that then
 * closes; whoever sends twice as many has its connections cut without an answer, and new ones too until the second is over.
 *
 * Where a proxy is trusted the connections are the proxy's, and shared by its clients: then its clients' requests are
 * refused, and no connection is cut.
 * @param server has to pass its connections here before it listens
 * @returns middleware, to stand first
 */
export function guardAgainstFloods(
  server: Server,
  { maxConnectionsPerAddress, maxRequestsPerSecond, trustProxy }: ProtectionConfig,
): (request: Request, response: Response, next: NextFunction) => void {
  const direct = trustProxy === false;
  const logger = new Logger('Protection');
  const connections = new Map<string, number>();
  let requests = new Map<string, number>();
  let told = false;
  setInterval(() => {
    requests = new Map();
    told = false;
  }, WINDOW_MS).unref();
  const tell = (key: string): void => {
    if (told) return;
    told = true;
    logger.warn(`more than ${maxRequestsPerSecond} requests a second come from ${key}: further ones are refused`);
  };
  /** So much that an answer is a waste. */
  const isFlooding = (key: string): boolean => (requests.get(key) ?? 0) > 2 * maxRequestsPerSecond;

  if (direct) {
    server.on('connection', (socket: Socket) => {
      const key = addressKey(socket.remoteAddress);
      const held = connections.get(key) ?? 0;
      if (held >= maxConnectionsPerAddress || isFlooding(key)) return socket.destroy();
      connections.set(key, held + 1);
      socket.once('close', () => {
        const left = connections.get(key)! - 1;
        if (left > 0) connections.set(key, left);
        else connections.delete(key);
      });
    });
  }

  return (request, response, next) => {
    const key = addressKey(request.ip);
    const count = (requests.get(key) ?? 0) + 1;
    requests.set(key, count);
    if (count <= maxRequestsPerSecond) return next();
    tell(key);
    if (direct && isFlooding(key)) return void request.socket.destroy();
    response.setHeader('Connection', 'close');
    const message = `More than ${maxRequestsPerSecond} requests a second come from your address: slow down.`;
    next(new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter: 1 }));
  };
}
