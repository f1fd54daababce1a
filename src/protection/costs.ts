import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AppError } from '../common/app-error.js';

/** Time after which a cost counts half, ms. */
const HALF_LIFE_MS = 10_000;
/** Users whose costs are remembered; the one that was charged longest ago is forgotten first. */
const MOST_USERS = 10_000;
/** A user that has cost less lately is not turned away alone, ms. */
const LEAST_MS = 200;
/** Share of all costs that the heaviest users together stand for. */
const SHARE = 0.5;
/** Late looks in a row after which turning away the heaviest users has not helped: everyone is turned away then. */
const MOST_HEAVIEST_LOOKS = 4;
/** Time after which a user that was turned away may try again, s. */
export const RETRY_AFTER = 2;

/** Who is turned away: no one, the heaviest users, or everyone. */
export type Shedding = 'none' | 'heaviest' | 'all';

/**
 * What each user has cost this process lately, in ms of its event loop. Counts of requests say little about it: one page of
 * large reports costs as much as a thousand small answers. While the event loop runs late, the users that cost the most are
 * turned away first, and everyone only if that does not help.
 */
@Injectable()
export class Costs {
  shedding: Shedding = 'none';
  private readonly spent = new LRUCache<string, { ms: number; at: number }>({ max: MOST_USERS });
  private heaviest: ReadonlySet<string> = new Set();
  private lateLooks = 0;

  /** @param user id, or for requests without a login the address @param ms of the event loop */
  charge(user: string, ms: number, now = performance.now()): void {
    this.spent.set(user, { ms: this.costOf(user, now) + ms, at: now });
  }

  /** ms of the event loop, older ones counting less. */
  costOf(user: string, now = performance.now()): number {
    const spent = this.spent.peek(user);
    return spent ? spent.ms * 2 ** ((spent.at - now) / HALF_LIFE_MS) : 0;
  }

  /** Decides who is turned away until the next look. @param late whether the event loop runs late */
  look(late: boolean, now = performance.now()): void {
    this.lateLooks = late ? this.lateLooks + 1 : 0;
    if (this.lateLooks === 1) this.heaviest = this.findHeaviest(now);
    if (!late) this.shedding = 'none';
    else this.shedding = this.heaviest.size > 0 && this.lateLooks <= MOST_HEAVIEST_LOOKS ? 'heaviest' : 'all';
  }

  /** @throws AppError `overloaded` `OVERLOADED` while the event loop runs late and this user is one of the heaviest */
  assertNotHeavy(user: string): void {
    if (this.shedding !== 'heaviest' || !this.heaviest.has(user)) return;
    const detail =
      `The server has more to do than it can, and your requests cost it most. Retry after ${RETRY_AFTER} s, with fewer ` +
      'or smaller ones.';
    throw new AppError('overloaded', 'OVERLOADED', detail, { retryAfter: RETRY_AFTER });
  }

  /** The fewest users that together stand for the share. */
  private findHeaviest(now: number): Set<string> {
    const costs = [...this.spent.keys()].map((user) => ({ user, ms: this.costOf(user, now) }));
    const total = costs.reduce((sum, { ms }) => sum + ms, 0);
    const heaviest = new Set<string>();
    let sum = 0;
    for (const { user, ms } of costs.sort((a, b) => b.ms - a.ms)) {
      if (sum >= SHARE * total || ms < LEAST_MS) break;
      heaviest.add(user);
      sum += ms;
    }
    return heaviest;
  }
}
