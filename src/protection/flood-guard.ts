import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { ProtectionConfig } from '../config/index.js';
import { addressKey } from './address.js';

const WINDOW_MS = 1000;
/** How long an address stays cut off, ms. */
const CUT_OFF_MS = 10_000;

/**
 * Keeps one address from taking the server for itself. Its requests are counted before anything is parsed or decided, so that it
 * costs less to refuse than to ask, and once more when they were refused (4xx): a client that means well makes few of those.
 *
 * Past so many requests within a second the next ones are answered 429 on a connection that then closes. Past twice as many, or past
 * so many refused ones, the address is cut off for ten seconds: its connections end without an answer, and new ones at once.
 *
 * Where a proxy is trusted the connections are the proxy's, and shared by its clients: then requests are refused, and no
 * connection is cut.
 * @param server has to pass its connections here before it listens
 * @returns middleware, to stand first
 */
export function guardAgainstFloods(
  server: Server,
  { maxConnectionsPerAddress, maxRequestsPerSecond, maxRefusedPerSecond, trustProxy }: ProtectionConfig,
): (request: Request, response: Response, next: NextFunction) => void {
  const direct = trustProxy === false;
  const logger = new Logger('Protection');
  const connections = new Map<string, number>();
  /** Address to the time at which it is let in again. */
  const cutOff = new Map<string, number>();
  let requests = new Map<string, number>();
  let refusals = new Map<string, number>();
  setInterval(() => {
    requests = new Map();
    refusals = new Map();
    const now = Date.now();
    for (const [key, until] of cutOff) if (until <= now) cutOff.delete(key);
  }, WINDOW_MS).unref();

  const cut = (key: string): void => {
    if (!cutOff.has(key)) logger.warn(`${key} floods this server: cut off for ${CUT_OFF_MS / 1000} s`);
    cutOff.set(key, Date.now() + CUT_OFF_MS);
  };

  if (direct) {
    server.on('connection', (socket: Socket) => {
      const key = addressKey(socket.remoteAddress);
      const held = connections.get(key) ?? 0;
      if (held >= maxConnectionsPerAddress || cutOff.has(key)) return socket.destroy();
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
    if (direct && cutOff.has(key)) return void request.socket.destroy();
    const count = add(requests, key);
    if (count > 2 * maxRequestsPerSecond) cut(key);
    if (count <= maxRequestsPerSecond && !cutOff.has(key)) {
      response.once('finish', () => {
        const { statusCode } = response;
        if (statusCode >= 400 && statusCode < 500 && add(refusals, key) > maxRefusedPerSecond) cut(key);
      });
      return next();
    }
    response.setHeader('Connection', 'close');
    const message = 'Too many requests come from your address, or too many that have to be refused: slow down.';
    next(new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter: cutOff.has(key) ? CUT_OFF_MS / 1000 : 1 }));
  };
}

function add(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}
