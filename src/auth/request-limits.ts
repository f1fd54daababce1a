import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import { ProtectionConfig } from '../config/index.js';
import { addressKey, Costs, isUpload, RateLimits, retryAfter, type Verdict } from '../protection/index.js';

type RouteClass = keyof ProtectionConfig['perMinute'];

/** Requests a minute, by user once one is known, else by address, for each class of routes. */
@Injectable()
export class RequestLimits {
  constructor(
    private readonly limits: RateLimits,
    private readonly costs: Costs,
    private readonly config: ProtectionConfig,
  ) {}

  /**
   * Counts the request and says in its headers what is left (draft-ietf-httpapi-ratelimit-headers; the fields of its
   * earlier versions too, which more clients read).
   * @throws AppError `exhausted` `RATE_LIMITED`, `overloaded` `OVERLOADED`
   */
  async take(request: Request, response: Response, userId?: string): Promise<void> {
    const name = classOf(request);
    if (name === undefined) return;
    this.costs.assertNotHeavy(userId ?? addressKey(request.ip));
    const key = name === 'auth' || !userId ? addressKey(request.ip) : userId;
    const verdict = await this.count(name, key);
    if (!verdict) return;
    tell(response, verdict);
    if (!verdict.allowed) throw limited(verdict);
  }

  /**
   * Counts what a user does by a message inside a connection or a request, beside their requests to routes of that class.
   * @throws AppError `exhausted` `RATE_LIMITED`
   */
  async takeMessage(name: 'read' | 'simulate', userId: string): Promise<void> {
    const verdict = await this.count(name, userId);
    if (verdict && !verdict.allowed) throw limited(verdict);
  }

  private async count(name: RouteClass, key: string): Promise<Verdict | undefined> {
    const { rateLimits, perMinute } = this.config;
    return rateLimits ? this.limits.take({ name, points: perMinute[name], seconds: 60 }, key) : undefined;
  }
}

/** Health is asked by machines that must not be told to wait. The router heeds neither case nor a slash at the end. */
function classOf({ path: asked, method }: Request): RouteClass | undefined {
  const path = asked.toLowerCase().replace(/\/$/, '');
  if (path.startsWith('/health')) return undefined;
  if (path.startsWith('/api/v1/auth/') && method === 'POST') return 'auth';
  if (method === 'GET' || method === 'HEAD') return 'read';
  if (path === '/api/v1/auctions/simulate') return 'simulate';
  return isUpload({ method, path }) || path === '/api/v1/deposits' ? 'upload' : 'write';
}

function tell(response: Response, { limit, remaining, resetMs }: Verdict): void {
  const reset = Math.ceil(resetMs / 1000);
  response.setHeader('RateLimit-Policy', `"${limit.name}";q=${limit.points};w=${limit.seconds}`);
  response.setHeader('RateLimit', `"${limit.name}";r=${remaining};t=${reset}`);
  response.setHeader('RateLimit-Limit', String(limit.points));
  response.setHeader('RateLimit-Remaining', String(remaining));
  response.setHeader('RateLimit-Reset', String(reset));
}

function limited(verdict: Verdict): AppError {
  const wait = retryAfter(verdict);
  return new AppError('exhausted', 'RATE_LIMITED', `Too many requests: try again in ${wait} s.`, { retryAfter: wait });
}
