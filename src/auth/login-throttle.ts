import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { addressKey, type ExactLimit, RateLimits } from '../protection/index.js';

/** From one address on one account: somebody tries passwords. */
const PAIR: ExactLimit = { name: 'login-pair', points: 10, seconds: 15 * 60, exact: true };
/** From one address on any accounts: somebody tries leaked lists. */
const ADDRESS: ExactLimit = { name: 'login-address', points: 100, seconds: 15 * 60, exact: true };
/** On one account from anywhere; nobody reaches it from one address, so a stranger has work to do to lock its owner out. */
const ACCOUNT: ExactLimit = { name: 'login-account', points: 100, seconds: 60 * 60, exact: true };

export interface Throttled {
  /** The limit that was passed. */
  limit: string;
  /** Whether this attempt is the first past it. */
  isFirst: boolean;
  /** Seconds. */
  retryAfter: number;
}

/** Counts attempts that fail. Whether there is such an account makes no difference. */
@Injectable()
export class LoginThrottle {
  private readonly enabled: boolean;

  constructor(
    private readonly limits: RateLimits,
    config: ConfigService<Environment, true>,
  ) {
    this.enabled = config.get('protection', { infer: true }).rateLimits;
  }

  /**
   * Counts an attempt before it is known to fail, so that a hundred at once are a hundred; `succeeded` takes it back. What
   * one limit refuses is not counted by the next.
   * @returns undefined while it may go on
   */
  async attempt(email: string, address?: string): Promise<Throttled | undefined> {
    if (!this.enabled) return undefined;
    for (const [limit, key] of counters(email, address)) {
      const { allowed, count, resetMs } = await this.limits.take(limit, key);
      if (allowed) continue;
      return { limit: limit.name, isFirst: count === limit.points + 1, retryAfter: Math.ceil(resetMs / 1000) };
    }
    return undefined;
  }

  async succeeded(email: string, address?: string): Promise<void> {
    if (!this.enabled) return;
    const [pair, ...others] = counters(email, address);
    await Promise.all([this.limits.forget(...pair), ...others.map(([limit, key]) => this.limits.giveBack(limit, key))]);
  }
}

/** Emails stay out of the store the counts are kept in. */
function counters(email: string, address?: string): [ExactLimit, string][] {
  const account = createHash('sha256').update(email).digest('base64url');
  const sender = addressKey(address);
  return [
    [PAIR, `${account}:${sender}`],
    [ADDRESS, sender],
    [ACCOUNT, account],
  ];
}
