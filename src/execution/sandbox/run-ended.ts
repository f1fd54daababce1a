import type { ReportedOutcome } from '../frames.js';

/** What an agent's own host calls can end a run with. */
export type HostEnd =
  { end: 'exit'; code: number } | Extract<ReportedOutcome, { end: 'output_too_large' }> | { end: 'abort' };

/**
 * Unwinds the agent's stack out of a host function. An agent with `catch_all` can catch it and carry on, which gains it
 * nothing: the host remembers the first end and throws it again from every further call.
 */
export class RunEnded extends Error {
  constructor(readonly how: HostEnd) {
    super();
  }
}
