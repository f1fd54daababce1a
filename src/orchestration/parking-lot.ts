import { Inject, Injectable } from '@nestjs/common';
import { HostCallConfig } from '../config/index.js';

/**
 * Limits how many agents of this worker wait for an answer at the same time, because each keeps its process. One account
 * may have a part of them, as submitter and as owner of agents, so that it cannot take them all.
 */
@Injectable()
export class ParkingLot {
  private taken = 0;
  private readonly byAccount = new Map<string, number>();

  constructor(@Inject(HostCallConfig) private readonly config: Pick<HostCallConfig, 'parked'>) {}

  /**
   * Takes a place.
   * @param accounts submitter and owner of the agent
   * @returns a function that gives it back; or which limit is reached
   */
  enter(accounts: readonly string[]): (() => void) | 'worker' | 'account' {
    const { most, perAccount } = this.config.parked;
    const involved = new Set(accounts);
    if (this.taken >= most) return 'worker';
    if ([...involved].some((id) => this.of(id) >= perAccount)) return 'account';
    this.add(involved, 1);
    let isInside = true;
    return () => {
      if (isInside) this.add(involved, -1);
      isInside = false;
    };
  }

  private of(account: string): number {
    return this.byAccount.get(account) ?? 0;
  }

  private add(accounts: ReadonlySet<string>, count: number): void {
    this.taken += count;
    for (const id of accounts) {
      const sum = this.of(id) + count;
      if (sum > 0) this.byAccount.set(id, sum);
      else this.byAccount.delete(id);
    }
  }
}
