/** A token bucket for what one connection sends. */
export class MessageBudget {
  private tokens: number;
  private filledAt = Date.now();

  /**
   * @param burst how many it may send in a row
   * @param perSecond how many it gains each second
   */
  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.tokens = burst;
  }

  /** @returns false when the client has to slow down */
  spend(): boolean {
    const now = Date.now();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.perSecond);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
