import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { YoungAccounts } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { QuotaConfig } from '../config/index.js';

/** The limit of agents per user. */
@Injectable()
export class OwnerQuota {
  constructor(
    private readonly young: YoungAccounts,
    private readonly quotas: QuotaConfig,
  ) {}

  /**
   * Exact only after `holdAccount`, in its transaction; otherwise an early check. @throws AppError `forbidden`
   * `QUOTA_EXCEEDED`
   */
  async expectRoomForAgent(transaction: EntityManager, ownerId: string): Promise<void> {
    const [{ count }] = await transaction.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM agents WHERE owner_id = $1 AND status <> 'retired'`,
      [ownerId],
    );
    const most = await this.young.quotaOf(ownerId, this.quotas.agents);
    if (count < most) return;
    const whose = most < this.quotas.agents ? 'A new account' : 'An account';
    const message = `${whose} has at most ${most} agents: retire one first.`;
    throw new AppError('forbidden', 'QUOTA_EXCEEDED', message);
  }
}
