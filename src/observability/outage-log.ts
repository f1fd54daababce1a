import type { Logger } from '@nestjs/common';

/** How often a continuing outage is logged, ms. */
const REPEAT_MS = 30_000;

/**
 * A warning about something that is retried several times a second while its other end is away. It is logged at once,
 * then twice a minute, so that it does not hide its cause in the log.
 */
export function outageLog(logger: Logger, what: string): (error: Error) => void {
  let toldAt = -Infinity;
  return (error) => {
    if (performance.now() - toldAt < REPEAT_MS) return;
    toldAt = performance.now();
    logger.warn(`${what}: ${error.message || (error as NodeJS.ErrnoException).code}; trying again`);
  };
}
