import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import { addressKey } from './address.js';
import { bodyReader } from './body-routes.js';

const MOST_BYTES = 128 * 1024 * 1024;

/**
 * Bounds what one address has under way of bodies that are parsed whole: until the last byte they are kept in memory, and nobody
 * has looked yet who sends them.
 * @param maxBytes what one of them takes at the most
 * @param mostBytes what those of one address take together
 */
export function limitBodiesUnderWay(
  maxBytes: number,
  mostBytes = MOST_BYTES,
): (request: Request, response: Response, next: NextFunction) => void {
  const underWay = new Map<string, number>();
  return (request, _response, next) => {
    if (bodyReader(request) !== 'parser') return next();
    const { 'content-length': length, 'transfer-encoding': chunked, 'content-encoding': packed } = request.headers;
    const key = addressKey(request.ip);
    const add = (bytes: number): void => {
      const sum = (underWay.get(key) ?? 0) + bytes;
      if (sum > 0) underWay.set(key, sum);
      else underWay.delete(key);
    };
    const bytes = chunked || packed ? maxBytes : Math.min(Number(length), maxBytes);
    if ((underWay.get(key) ?? 0) + bytes > mostBytes) {
      const message = 'Too many large bodies come from your address at once: let some of them arrive first.';
      return next(new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter: 1 }));
    }
    add(bytes);
    let arrived = false;
    const release = (): void => {
      if (!arrived) add(-bytes);
      arrived = true;
    };
    request.once('end', release).once('close', release);
    next();
  };
}
