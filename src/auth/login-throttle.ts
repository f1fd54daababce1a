import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AppError } from '../common/app-error.js';
import type { Environment } from '../config/index.js';
import { type Limit, RateLimits } from '../protection/index.js';

/** From one address on one account: somebody tries passwords. */
const PAIR: Limit = { name: 'login-pair', points: 10, seconds: 15 * 60 };
/** On one account from anywhere; high enough that a stranger who wants to lock its owner out has work to do. */
const ACCOUNT: Limit = { name: 'login-account', points: 100, seconds: 60 * 60 };
/** From one address on any accounts: somebody tries leaked lists. */
const ADDRESS: Limit = { name: 'login-address', points: 100, seconds: 15 * 60 };

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
   * Counts an attempt before it is known to fail, so that a hundred at once are a hundred; `succeeded` takes it back.
   * @returns the refusal, once there were too many
   */
  async attempt(email: string, address: string): Promise<AppError | undefined> {
    if (!this.enabled) return undefined;
    const verdicts = await Promise.all(counters(email, address).map(([limit, key]) => this.limits.take(limit, key)));
    const waits = verdicts.filter(({ allowed }) => !allowed).map(({ resetMs }) => resetMs);
    if (waits.length === 0) return undefined;
    const seconds = Math.ceil(Math.max(...waits) / 1000);
    return new AppError('exhausted', 'TOO_MANY_ATTEMPTS', `Too many attempts failed: try again in ${seconds} s.`, {
      retryAfter: seconds,
    });
  }

  async succeeded(email: string, address: string): Promise<void> {
    if (!this.enabled) return;
    const [pair, ...others] = counters(email, address);
    await Promise.all([this.limits.forget(...pair), ...others.map(([limit, key]) => this.limits.giveBack(limit, key))]);
  }
}

/** Emails stay out of the store the counts are kept in. */
function counters(email: string, address: string): [Limit, string][] {
  const account = createHash('sha256').update(email).digest('base64url');
  return [
    [PAIR, `${account}:${address}`],
    [ACCOUNT, account],
    [ADDRESS, address],
  ];
}
