import type { Candidate } from '../agents/index.js';

/**
 * Agents without a seat, by owner, in the order of the discovery seat. The owner comes first whose waiting agents have
 * all waited longest, and of that owner the agent that waited longest. So many agents of one owner get one owner's chances.
 */
export class OwnerLine<T extends { candidate: Candidate }> {
  private readonly owners = new Map<string, { lastInvitedAt: number; first: T }>();

  /** @param compare negative if the first has waited longer; a total order */
  constructor(private readonly compare: (a: T, b: T) => number) {}

  add(one: T): void {
    const { ownerId, lastInvitedAt } = one.candidate;
    const owner = this.owners.get(ownerId);
    if (!owner) return void this.owners.set(ownerId, { lastInvitedAt, first: one });
    if (lastInvitedAt > owner.lastInvitedAt) owner.lastInvitedAt = lastInvitedAt;
    if (this.compare(one, owner.first) < 0) owner.first = one;
  }

  /** @param full owners that may have no further seat */
  first(full: ReadonlySet<string>): T | null {
    let best: { lastInvitedAt: number; first: T } | null = null;
    for (const [ownerId, owner] of this.owners) {
      if (full.has(ownerId)) continue;
      const order = best ? owner.lastInvitedAt - best.lastInvitedAt || this.compare(owner.first, best.first) : -1;
      if (order < 0) best = owner;
    }
    return best?.first ?? null;
  }
}
