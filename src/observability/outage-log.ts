import type { Logger } from '@nestjs/common';

/** How often an outage that goes on is told again, ms. */
const REPEAT_MS = 30_000;

/**
 * A warning for something that is tried again several times a second while its other end is away: told at once, then
 * twice a minute, instead of filling the log of the operator who has to find the cause in it.
 */
export function outageLog(logger: Logger, what: string): (error: Error) => void {
  let toldAt = -Infinity;
  return (error) => {
    if (performance.now() - toldAt < REPEAT_MS) return;
    toldAt = performance.now();
    logger.warn(`${what}: ${error.message || (error as NodeJS.ErrnoException).code}; trying again`);
  };
}
