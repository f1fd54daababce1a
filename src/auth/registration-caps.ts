import { Injectable } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { AuthConfig, ProtectionConfig } from '../config/index.js';
import { addressKey, type ExactLimit, networkKey, RateLimits } from '../protection/index.js';

const DAY = 24 * 60 * 60;

/** How many accounts may be opened a day from one address (IPv6: a /64) and from its surroundings (a /48; IPv4: a /24). */
@Injectable()
export class RegistrationCaps {
  private readonly enabled: boolean;
  private readonly address: ExactLimit;
  private readonly network: ExactLimit;

  constructor(
    private readonly limits: RateLimits,
    { registrationsPerAddress, registrationsPerNetwork }: AuthConfig,
    { rateLimits }: ProtectionConfig,
  ) {
    this.enabled = rateLimits;
    this.address = { name: 'register-address', points: registrationsPerAddress, seconds: DAY, exact: true };
    this.network = { name: 'register-network', points: registrationsPerNetwork, seconds: DAY, exact: true };
  }

  /**
   * Opens an account by `open`, if so many have not been opened yet; one that fails does not count.
   * @throws AppError `exhausted` `TOO_MANY_REGISTRATIONS`, before anything is done
   */
  async within<T>(address: string, open: () => Promise<T>): Promise<T> {
    if (!this.enabled) return open();
    const counters: [ExactLimit, string][] = [
      [this.address, addressKey(address)],
      [this.network, networkKey(address)],
    ];
    const taken: typeof counters = [];
    const giveBack = () => Promise.all(taken.map(([limit, key]) => this.limits.giveBack(limit, key)));
    for (const [limit, key] of counters) {
      taken.push([limit, key]);
      const { allowed, resetMs } = await this.limits.take(limit, key);
      if (allowed) continue;
      await giveBack();
      throw tooMany(Math.ceil(resetMs / 1000));
    }
    try {
      return await open();
    } catch (error) {
      await giveBack();
      throw error;
    }
  }
}

const tooMany = (retryAfter: number): AppError =>
  new AppError(
    'exhausted',
    'TOO_MANY_REGISTRATIONS',
    `Too many accounts were opened from your network today: try again in ${Math.ceil(retryAfter / 3600)} h, or ask an administrator for an account.`,
    { retryAfter },
  );
