/**
 * Recurring work, one round at a time. The next round starts a pause after the last has ended, whether it failed or
 * not.
 */
export class Recurring {
  private readonly ending = new AbortController();
  private clock: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();

  /**
   * @param work one round; may return its own pause instead of `pauseMs`. A long round must watch the signal.
   * @param onFault is called for a round that failed
   */
  constructor(
    private readonly work: (signal: AbortSignal) => Promise<number | void>,
    private readonly pauseMs: number,
    private readonly onFault: (error: Error) => void,
  ) {}

  /** @param firstMs until the first round */
  start(firstMs = this.pauseMs): void {
    if (this.ending.signal.aborted) return;
    this.clock = setTimeout(() => {
      this.round = this.turn();
    }, firstMs);
  }

  /** Resolves when no round is running; no other will start. */
  async stop(): Promise<void> {
    this.ending.abort();
    clearTimeout(this.clock);
    await this.round;
  }

  private async turn(): Promise<void> {
    let pauseMs: number | void = undefined;
    try {
      pauseMs = await this.work(this.ending.signal);
    } catch (error) {
      this.onFault(error as Error);
    }
    this.start(pauseMs ?? this.pauseMs);
  }
}
