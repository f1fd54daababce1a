import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { EntityManager } from 'typeorm';
import { accountGone } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import type { Environment, QuotaConfig } from '../config/index.js';

/** How much one user may offer. Exact, since whoever adds something holds the owner's account meanwhile. */
@Injectable()
export class OwnerQuota {
  private readonly quotas: QuotaConfig;

  constructor(config: ConfigService<Environment, true>) {
    this.quotas = config.get('quotas', { infer: true });
  }

  /**
   * Lets the owner's additions come one after the other until the transaction ends. To be called before an agent's row is held:
   * whoever suspends the owner takes the two in this order.
   * @throws AppError `unauthorised` `ACCOUNT_GONE`
   */
  async hold(transaction: EntityManager, ownerId: string): Promise<void> {
    const rows = await transaction.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [ownerId]);
    if (rows.length === 0) throw accountGone();
  }

  /** After `hold`. @throws AppError `forbidden` `QUOTA_EXCEEDED` */
  async expectRoomForAgent(transaction: EntityManager, ownerId: string): Promise<void> {
    const [{ count }] = await transaction.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM agents WHERE owner_id = $1 AND status <> 'retired'`,
      [ownerId],
    );
    if (count < this.quotas.agents) return;
    throw exceeded(`An account has at most ${this.quotas.agents} agents: retire one first.`);
  }

  /** After `hold`. @throws AppError `forbidden` `QUOTA_EXCEEDED` */
  async expectRoomForBytes(transaction: EntityManager, ownerId: string, size: number): Promise<void> {
    const [{ kept }] = await transaction.query<{ kept: string }[]>(
      `SELECT coalesce(sum(b.size), 0)::text AS kept
         FROM agent_binaries b JOIN agents a ON a.id = b.agent_id
        WHERE a.owner_id = $1 AND b.storage_ref IS NOT NULL`,
      [ownerId],
    );
    if (Number(kept) + size <= this.quotas.storedBytes) return;
    throw exceeded(
      `The versions of an account take up at most ${this.quotas.storedBytes} bytes, and these ${kept}: retire some first; ` +
        'their bytes go once no task needs them.',
    );
  }
}

const exceeded = (message: string): AppError => new AppError('forbidden', 'QUOTA_EXCEEDED', message);
