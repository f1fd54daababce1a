import type { Server } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { ProtectionConfig } from '../config/index.js';
import { floodRefusals } from './metrics.js';
import { bodyReader } from './body-routes.js';

/** How often Node.js looks for connections past their time, ms. Its own default is half a minute. */
const CHECK_MS = 1000;

/** Limits of every connection. To be set before the server listens. */
export function limitConnections(server: Server, config: ProtectionConfig): void {
  server.maxConnections = config.maxConnections;
  server.on('drop', () => floodRefusals.inc({ reason: 'full' }));
  server.headersTimeout = config.headersTimeoutMs;
  server.requestTimeout = Math.max(config.uploadTimeoutMs, config.headersTimeoutMs);
  server.keepAliveTimeout = config.idleTimeoutMs;
  Object.assign(server, { connectionsCheckingInterval: CHECK_MS });
}

/**
 * Gives a body its time to arrive, which for JSON is much shorter than for an upload.
 * @param refuse answers 408
 */
export function limitBodyTime(
  timeoutMs: number,
  refuse: (error: AppError, request: Request, response: Response) => void,
): (request: Request, response: Response, next: NextFunction) => void {
  return (request, response, next) => {
    if (bodyReader(request) !== 'parser') return next();
    const timer = setTimeout(() => {
      // Refused already by its head.
      if (response.headersSent) return void request.destroy();
      const error = new AppError(
        'too_slow',
        'REQUEST_TIMEOUT',
        `The body did not arrive within ${timeoutMs / 1000} s.`,
      );
      response.setHeader('Connection', 'close');
      response.once('finish', () => request.destroy());
      refuse(error, request, response);
    }, timeoutMs);
    const clear = (): void => clearTimeout(timer);
    request.once('end', clear);
    request.once('close', clear);
    next();
  };
}

/**
 * Ends the connection of a client that reads nothing of its answer for this long. Time without anything to read does not
 * count.
 * Node.js looks twice before it takes a connection for silent.
 */
export function limitAnswerTime(timeoutMs: number): (request: Request, response: Response, next: NextFunction) => void {
  return ({ socket }, response, next) => {
    response.setTimeout(timeoutMs, () => {
      if (response.writableLength > 0) socket.destroy();
    });
    next();
  };
}
