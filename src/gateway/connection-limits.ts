import { Injectable } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { GatewayConfig } from '../config/index.js';
import { addressKey } from '../protection/index.js';

/** Limits the connections to the feed (sockets and event streams together) per user and per address in this process. */
@Injectable()
export class ConnectionLimits {
  private readonly open = new Map<string, number>();

  constructor(private readonly config: GatewayConfig) {}

  /** @throws AppError `exhausted` `TOO_MANY_CONNECTIONS` */
  check(userId: string, address: string): void {
    const { maxConnectionsPerUser, maxConnectionsPerAddress } = this.config;
    if (this.count(userId) >= maxConnectionsPerUser) throw tooMany('Your account', maxConnectionsPerUser);
    if (this.count(addressKey(address)) >= maxConnectionsPerAddress)
      throw tooMany('Your address', maxConnectionsPerAddress);
  }

  /** @returns a function that frees the place; further calls do nothing */
  take(userId: string, address: string): () => void {
    const keys = [userId, addressKey(address)];
    for (const key of keys) this.open.set(key, this.count(key) + 1);
    return () => {
      for (const key of keys.splice(0)) {
        const left = this.count(key) - 1;
        if (left > 0) this.open.set(key, left);
        else this.open.delete(key);
      }
    };
  }

  private count(key: string): number {
    return this.open.get(key) ?? 0;
  }
}

const tooMany = (whose: string, limit: number): AppError =>
  new AppError(
    'exhausted',
    'TOO_MANY_CONNECTIONS',
    `${whose} already holds ${limit} connections to the feed: close one, or follow several topics over one.`,
  );
