import type { NextFunction, Request, Response } from 'express';
import { workContext } from '../common/work-context.js';
import { addressKey } from './address.js';
import type { Costs } from './costs.js';

/** Of the event loop, for any request. */
const REQUEST_MS = 0.5;
/** Of the event loop, for a megabyte that is sent or received: reading rows, building text, copying. */
const MEGABYTE_MS = 10;

/**
 * Middleware that charges each request to its user, or to its address without a login: time of the event loop where it is
 * measured (`spending`), and bytes. It stands behind the middleware that opens the work context.
 */
export function chargeCosts(costs: Costs): (request: Request, response: Response, next: NextFunction) => void {
  return (request, response, next) => {
    const { socket } = request;
    const context = workContext();
    // Requests of one connection are worked on one after the other.
    const before = socket.bytesRead + socket.bytesWritten;
    response.once('close', () => {
      const bytes = socket.bytesRead + socket.bytesWritten - before;
      const ms = REQUEST_MS + (context?.busyMs ?? 0) + (bytes / 1_000_000) * MEGABYTE_MS;
      costs.charge(context?.user_id ?? addressKey(request.ip), ms);
    });
    next();
  };
}
