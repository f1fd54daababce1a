import { Injectable } from '@nestjs/common';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { AppError } from '../common/app-error.js';
import { ProtectionConfig } from '../config/index.js';
import { addressKey } from './address.js';

/**
 * Handshakes from one address whose credentials were wrong. As many are tried in a minute as requests may be that log in; each
 * process counts by itself, so that those that succeed, thousands at once after a restart, cost no round trip.
 */
@Injectable()
export class FailedHandshakes {
  private readonly counts: RateLimiterMemory | null;

  constructor({ rateLimits, perMinute }: ProtectionConfig) {
    this.counts = rateLimits ? new RateLimiterMemory({ points: perMinute.auth, duration: 60 }) : null;
  }

  /** @throws AppError `exhausted` `RATE_LIMITED` */
  async check(address: string): Promise<void> {
    const counted = await this.counts?.get(addressKey(address));
    if (!counted || counted.remainingPoints > 0) return;
    const retryAfter = Math.ceil(counted.msBeforeNext / 1000);
    const message = `Too many handshakes from your address were refused: try again in ${retryAfter} s.`;
    throw new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter });
  }

  async count(address: string): Promise<void> {
    await this.counts?.penalty(addressKey(address), 1);
  }
}
