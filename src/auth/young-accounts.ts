import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource } from 'typeorm';
import { timeOf } from '../common/ids.js';
import { QuotaConfig } from '../config/index.js';

const MOST_KNOWN = 10_000;

/**
 * The share of each quota that an account has. One that registered by itself has a part of it while it is young, so that many new
 * accounts do not add up to many quotas. Accounts that admins opened have all of it.
 */
@Injectable()
export class YoungAccounts {
  private readonly ageMs: number;
  private readonly factor: number;
  /** Young ids, and whether they registered by themselves. */
  private readonly known = new LRUCache<string, boolean>({ max: MOST_KNOWN });

  constructor(
    private readonly database: DataSource,
    { youngMs, youngFactor }: QuotaConfig,
  ) {
    this.ageMs = youngMs;
    this.factor = youngFactor;
  }

  /** @returns above 0, up to 1. An account that is older costs no query: its id tells its age. */
  async shareOf(userId: string): Promise<number> {
    if (this.factor === 1 || timeOf(userId) <= Date.now() - this.ageMs) return 1;
    let registered = this.known.get(userId);
    if (registered === undefined) {
      const rows = await this.database.query<unknown[]>('SELECT FROM users WHERE id = $1 AND self_registered', [
        userId,
      ]);
      registered = rows.length > 0;
      this.known.set(userId, registered);
    }
    return registered ? this.factor : 1;
  }

  /** A quota's share, at least 1. */
  async quotaOf(userId: string, quota: number): Promise<number> {
    return partOf(quota, await this.shareOf(userId));
  }
}

/** A share of a quota, at least 1. @param share above 0, up to 1 */
export const partOf = (quota: number, share: number): number =>
  share === 1 ? quota : Math.max(1, Math.floor(quota * share));
