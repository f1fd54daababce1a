import { flag, integer, url } from './variable-types.js';

/** Doors for programs: webhooks and MCP. */
export const doorVariables = {
  MCP_ENABLED: flag(true).describe('Serve the Model Context Protocol at /mcp'),
  MCP_URL: url('https:', 'http:')
    .optional()
    .describe('Address of /mcp as clients reach it. Unset: the address that each client names'),
  MAX_WEBHOOKS_PER_USER: integer(10, 0, 1000).describe('Webhooks of one user'),
  WEBHOOK_TIMEOUT_MS: integer(10_000, 100, 60_000).describe('Time for one request to a webhook, ms'),
  WEBHOOK_CONCURRENCY: integer(8, 1, 256).describe('Webhooks that one worker process serves at a time'),
};
