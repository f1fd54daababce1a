/** Messages a client may send in a row, and how many it gains each second. */
const BURST = 100;
const PER_SECOND = 20;

/** A token bucket for the messages of one connection. */
export class MessageBudget {
  private tokens = BURST;
  private filledAt = Date.now();

  /** @returns false when the client has to slow down */
  spend(): boolean {
    const now = Date.now();
    this.tokens = Math.min(BURST, this.tokens + ((now - this.filledAt) / 1000) * PER_SECOND);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
