/**
 * Work that comes again and again: one round at a time, the next a pause after the last has ended, whether that failed or not.
 */
export class Recurring {
  private readonly ending = new AbortController();
  private clock: NodeJS.Timeout | undefined;
  private round: Promise<void> = Promise.resolve();

  /**
   * @param work one round; may answer how long to wait for the next instead of `pauseMs`. A long one looks at the signal.
   * @param onFault is told of a round that failed
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

  /** Resolves when no round is under way; there will be no other. */
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
