/**
 * A service refuses for a reason that a retry does not change: an operator must act. At the start it ends the process.
 * At run time the process stays up, reports not ready, and retries with growing pauses.
 */
export class Refusal extends Error {
  /**
   * @param reason one sentence that says what is refused
   * @param advice one sentence that says what to do
   */
  constructor(
    readonly reason: string,
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(`${reason} ${advice}`, options);
    this.name = 'Refusal';
  }
}
