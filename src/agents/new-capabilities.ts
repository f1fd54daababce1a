import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { QuotaConfig } from '../config/index.js';
import { type ExactLimit, RateLimits } from '../protection/index.js';

const DAY = 24 * 60 * 60;

/**
 * How many capabilities an owner may add to the market in a day. Capabilities are free words. Each new one costs memory in
 * every process and a place in an index, also after the agent has gone.
 */
@Injectable()
export class NewCapabilities {
  private readonly limit: ExactLimit;

  constructor(
    private readonly limits: RateLimits,
    { newCapabilitiesPerDay }: QuotaConfig,
  ) {
    this.limit = { name: 'new-capabilities', points: newCapabilitiesPerDay, seconds: DAY, exact: true };
  }

  /**
   * Counts the capabilities that no agent of the owner offers yet. A refused request does not count.
   * @throws AppError `exhausted` `TOO_MANY_CAPABILITIES`
   */
  async take(transaction: EntityManager, ownerId: string, capabilities: readonly string[]): Promise<void> {
    const [{ count }] = await transaction.query<{ count: number }[]>(ADDED, [ownerId, capabilities]);
    if (count === 0) return;
    const { allowed, resetMs } = await this.limits.take(this.limit, ownerId, count);
    if (allowed) return;
    await this.limits.giveBack(this.limit, ownerId, count);
    const hours = Math.ceil(resetMs / 3_600_000);
    const message =
      `Too many new capabilities (limit ${this.limit.points} a day for one owner). Use ones that your agents offer ` +
      `already, or retry after ${hours} h.`;
    throw new AppError('exhausted', 'TOO_MANY_CAPABILITIES', message, { retryAfter: Math.ceil(resetMs / 1000) });
  }
}

const ADDED = `
  SELECT count(*)::int AS count FROM unnest($2::text[]) AS wanted
   WHERE NOT EXISTS (SELECT FROM agents
                      WHERE owner_id = $1 AND status <> 'retired' AND capabilities @> ARRAY[wanted])`;
