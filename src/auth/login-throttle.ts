import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ProtectionConfig } from '../config/index.js';
import { addressKey, type ExactLimit, networkKey, RateLimits } from '../protection/index.js';
import { KnownNetworks } from './known-networks.js';

const QUARTER = 15 * 60;

/** Attempts at one account from a network it has logged in from before: a bucket that strangers elsewhere cannot fill. */
const KNOWN: ExactLimit = { name: 'login-known', points: 10, seconds: QUARTER, exact: true };
/** Attempts at one account from one address (IPv6: a /64), and from its surroundings (a /48; IPv4: a /24): guessing. */
const PAIR: ExactLimit = { name: 'login-pair', points: 10, seconds: QUARTER, exact: true };
const PAIR_NETWORK: ExactLimit = { name: 'login-pair-network', points: 30, seconds: QUARTER, exact: true };
/** Attempts at any account from there: leaked lists. */
const ADDRESS: ExactLimit = { name: 'login-address', points: 100, seconds: QUARTER, exact: true };
const NETWORK: ExactLimit = { name: 'login-network', points: 300, seconds: QUARTER, exact: true };
/** Attempts at one account from all networks that it does not know. */
const ACCOUNT: ExactLimit = { name: 'login-account', points: 100, seconds: 60 * 60, exact: true };

export interface Throttled {
  /** The limit that was exceeded. */
  limit: string;
  /** Whether this attempt is the first beyond it. */
  isFirst: boolean;
  /** Seconds. */
  retryAfter: number;
}

/** An attempt that may go on. It counts as failed until `succeeded` takes it back. */
export interface Attempt {
  succeeded(): Promise<void>;
}

/** Counts failed attempts. It makes no difference whether the account exists. */
@Injectable()
export class LoginThrottle {
  private readonly enabled: boolean;

  constructor(
    private readonly limits: RateLimits,
    private readonly known: KnownNetworks,
    { rateLimits }: ProtectionConfig,
  ) {
    this.enabled = rateLimits;
  }

  /**
   * Counts an attempt before it is known to fail, so that a hundred at once are a hundred. What one limit refuses is not counted by
   * the next.
   */
  async attempt(email: string, address?: string): Promise<Attempt | Throttled> {
    if (!this.enabled) return UNCOUNTED;
    const isKnown = await this.known.includes(email, address);
    const counters = countersOf(email, address, isKnown);
    for (const [limit, key] of counters) {
      const { allowed, count, resetMs } = await this.limits.take(limit, key);
      if (allowed) continue;
      return { limit: limit.name, isFirst: count === limit.points + 1, retryAfter: Math.ceil(resetMs / 1000) };
    }
    return { succeeded: () => this.takeBack(counters) };
  }

  /** A correct password is not guessing: the bucket of account and address is emptied. */
  private async takeBack([own, ...others]: Counter[]): Promise<void> {
    await Promise.all([this.limits.forget(...own), ...others.map(([limit, key]) => this.limits.giveBack(limit, key))]);
  }
}

const UNCOUNTED: Attempt = { succeeded: () => Promise.resolve() };

type Counter = [ExactLimit, string];

/** Emails stay out of the store that holds the counts. */
function countersOf(email: string, address: string | undefined, isKnown: boolean): Counter[] {
  const account = createHash('sha256').update(email).digest('base64url');
  const [sender, network] = [addressKey(address), networkKey(address)];
  if (isKnown) return [[KNOWN, `${account}:${sender}`]];
  return [
    [PAIR, `${account}:${sender}`],
    [PAIR_NETWORK, `${account}:${network}`],
    [ADDRESS, sender],
    [NETWORK, network],
    [ACCOUNT, account],
  ];
}
