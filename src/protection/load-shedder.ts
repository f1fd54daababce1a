import type { Server } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import { type Costs, RETRY_AFTER } from './costs.js';

/** How often the delay is looked at, ms. */
const SAMPLE_MS = 500;

/**
 * Turns requests away while the event loop runs late: those that were let in are then answered in time, instead of all
 * of them too late. The users that cost most are turned away first: this middleware does not know the user yet, so
 * `RequestLimits` does that with `Costs.assertNotHeavy`. Health stays up, since a busy process must not look dead.
 * @param server its event loop is watched once it listens: no request waits during the start
 * @param maxLagMs mean delay over half a second from which requests are turned away
 * @param costs of users
 * @returns middleware, to stand before everything that costs
 */
export function shedLoad(
  server: Server,
  maxLagMs: number,
  costs: Costs,
): (request: Request, response: Response, next: NextFunction) => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  server.once('listening', () => delay.enable());
  setInterval(() => {
    // Not a number before the first look. The histogram includes the 20 ms between two looks of its own.
    costs.look(delay.mean / 1e6 - 20 > maxLagMs);
    delay.reset();
  }, SAMPLE_MS).unref();
  return (request, _response, next) => {
    if (costs.shedding !== 'all' || request.path.startsWith('/health')) return next();
    const detail = `The server has more to do than it can: try again in ${RETRY_AFTER} s.`;
    next(new AppError('overloaded', 'OVERLOADED', detail, { retryAfter: RETRY_AFTER }));
  };
}
