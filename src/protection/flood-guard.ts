import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { ProtectionConfig } from '../config/index.js';
import { addressKey } from './address.js';
import { isHandshake } from './every-request.js';
import { inTurn } from './in-turn.js';
import { floodRefusals } from './metrics.js';

const WINDOW_MS = 1000;
/** How long an address stays cut off, ms. */
const CUT_OFF_MS = 10_000;
/** For how long after that it may do only a share of what others may, ms: a flood that goes on is known by its first requests. */
const PROBATION_MS = 60_000;
const SHARE_ON_PROBATION = 0.1;
/** Requests of one connection that wait for the answer to the one before: no client in use sends any by itself. */
const MOST_PIPELINED = 4;

/**
 * Keeps one address from taking the server for itself. Its requests are counted before anything is parsed or decided, so that it
 * costs less to refuse than to ask, and once more when they were refused (4xx): a client that means well makes few of those.
 *
 * Past so many requests within a second the next ones are answered 429 on a connection that then closes. Past twice as many, or past
 * so many refused ones, the address is cut off for ten seconds: its connections end without an answer, and new ones at once. Let in
 * again, it is on probation for a minute. Requests of one connection are worked on one after the other, or many would be under way
 * before the first is known to be refused; too many that wait are a flood by themselves.
 *
 * Where a proxy is trusted the connections are the proxy's, and shared by its clients: then requests are refused, and no
 * connection is cut.
 * @param server has to pass its connections here before it listens
 * @returns middleware, to stand first
 */
export function guardAgainstFloods(
  server: Server,
  { rateLimits, maxConnectionsPerAddress, maxRequestsPerSecond, maxRefusedPerSecond, trustProxy }: ProtectionConfig,
): (request: Request, response: Response, next: NextFunction) => void {
  const direct = trustProxy === false;
  const maxPipelined = rateLimits ? MOST_PIPELINED : Infinity;
  const logger = new Logger('Protection');
  const connections = new Map<string, number>();
  /** Address to the time at which it is, or was, let in again. */
  const letIn = new Map<string, number>();
  let requests = new Map<string, number>();
  let refusals = new Map<string, number>();
  setInterval(() => {
    requests = new Map();
    refusals = new Map();
    const now = Date.now();
    for (const [key, at] of letIn) if (at + PROBATION_MS <= now) letIn.delete(key);
  }, WINDOW_MS).unref();

  const isCutOff = (key: string): boolean => (letIn.get(key) ?? 0) > Date.now();
  const cut = (key: string): void => {
    if (!isCutOff(key)) logger.warn(`${key} floods this server: cut off for ${CUT_OFF_MS / 1000} s`);
    letIn.set(key, Date.now() + CUT_OFF_MS);
  };

  const shareOf = (key: string): number => (letIn.has(key) ? SHARE_ON_PROBATION : 1);
  /** Counts a request. */
  const mayAsk = (key: string): boolean => {
    const count = add(requests, key);
    const most = shareOf(key) * maxRequestsPerSecond;
    if (count > 2 * most) cut(key);
    return count <= most && !isCutOff(key);
  };

  if (direct) {
    server.on('connection', (socket: Socket) => {
      const key = addressKey(socket.remoteAddress);
      const open = connections.get(key) ?? 0;
      if (isCutOff(key)) return refuse(socket, 'cut_off');
      if (open >= maxConnectionsPerAddress) return refuse(socket, 'connections');
      connections.set(key, open + 1);
      socket.once('close', () => {
        const left = connections.get(key)! - 1;
        if (left > 0) connections.set(key, left);
        else connections.delete(key);
      });
    });
    // Handshakes of WebSockets do not come by the middleware.
    server.on('upgrade', (request: IncomingMessage) => {
      const { socket } = request;
      if (isHandshake(request) && !mayAsk(addressKey(socket.remoteAddress))) refuse(socket, 'cut_off');
    });
  }

  return (request, response, next) => {
    const { socket } = request;
    const key = addressKey(request.ip);
    const isUnwanted = (): boolean => socket.destroyed || (direct && isCutOff(key));
    if (isUnwanted()) return refuse(socket, 'cut_off');
    if (mayAsk(key)) {
      response.once('finish', () => {
        const { statusCode } = response;
        const isRefusal = statusCode >= 400 && statusCode < 500;
        if (isRefusal && add(refusals, key) > shareOf(key) * maxRefusedPerSecond) cut(key);
      });
      const begin = (): void => (isUnwanted() ? refuse(socket, 'cut_off') : next());
      if (inTurn(socket, response, begin, maxPipelined)) return;
      cut(key);
      if (isUnwanted()) return refuse(socket, 'cut_off');
    }
    floodRefusals.inc({ reason: 'requests' });
    response.setHeader('Connection', 'close');
    const message = 'Too many requests come from your address, or too many that have to be refused: slow down.';
    next(new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter: isCutOff(key) ? CUT_OFF_MS / 1000 : 1 }));
  };
}

/** Ends a connection; one that has ended already is refused no more. */
function refuse(socket: Socket, reason: 'connections' | 'cut_off'): void {
  if (!socket.destroyed) floodRefusals.inc({ reason });
  socket.destroy();
}

function add(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}
