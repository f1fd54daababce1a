import { integer } from './variable-types.js';

/** Work and news that cross the border of the market without a person: webhooks. */
export const doorVariables = {
  MAX_WEBHOOKS_PER_USER: integer(10, 0, 1000).describe('Webhooks of one user'),
  WEBHOOK_TIMEOUT_MS: integer(10_000, 100, 60_000).describe('Time for one request to a webhook, ms'),
  WEBHOOK_CONCURRENCY: integer(8, 1, 256).describe('Webhooks that one worker process serves at a time'),
};
