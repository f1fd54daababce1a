import { ApiId, ApiTime } from '../common/api-schema.js';
import { amountToWire, parseAmount } from '../common/money.js';
import { IsAmount } from '../common/validators.js';
import { leftToday, type SpendingLimit } from './over-limit.js';
import type { NewLimits } from './spending-limits.js';

export class SetLimitsDto {
  /** The most that one task may hold: its budget and `max_host_cost` together. Null: no limit. */
  @IsAmount(100, { nullable: true })
  per_task: string | number | null;

  /** The most that the tasks of one day (UTC) may hold or cost. Null: no limit. */
  @IsAmount(1000, { nullable: true })
  per_day: string | number | null;
}

export class SpendingLimitDto {
  /** The API key that is limited; null: the account, with all its keys. */
  @ApiId({ nullable: true })
  key_id: string | null;
  /** @example "nightly reports" */
  key_name: string | null;
  /**
   * The most that one task may hold, credits; null: no limit.
   * @example 100
   */
  per_task: number | null;
  /**
   * The most that the tasks of one day (UTC) may hold or cost, credits; null: no limit.
   * @example 1000
   */
  per_day: number | null;
  /**
   * What tasks submitted on this day hold or have cost, credits. What they release is subtracted.
   * @example 12.5
   */
  spent_today: number;
  /**
   * What `per_day` leaves for this day, credits; null without that limit.
   * @example 987.5
   */
  left_today: number | null;
  /** When the next day begins: midnight, UTC. */
  @ApiTime()
  renews_at: string;
}

export class SpendingLimitsDto {
  /** The account's first, then those of API keys. Neither is listed before its limits were set once. */
  items: SpendingLimitDto[];
}

export const toNewLimits = ({ per_task, per_day }: SetLimitsDto): NewLimits => ({
  perTaskMicro: per_task === null ? null : parseAmount(per_task),
  perDayMicro: per_day === null ? null : parseAmount(per_day),
});

export const presentLimit = (limit: SpendingLimit): SpendingLimitDto => {
  const { keyId, keyName, perTaskMicro, perDayMicro, spentMicro, renewsAt } = limit;
  const leftMicro = leftToday(limit);
  return {
    key_id: keyId,
    key_name: keyName,
    per_task: perTaskMicro === null ? null : amountToWire(perTaskMicro),
    per_day: perDayMicro === null ? null : amountToWire(perDayMicro),
    spent_today: amountToWire(spentMicro),
    left_today: leftMicro === null ? null : amountToWire(leftMicro),
    renews_at: renewsAt.toISOString(),
  };
};
