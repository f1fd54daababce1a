import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { outageLog } from '../../observability/index.js';

/** How long one answer is waited for, ms. */
const SILENCE_MS = 500;

/**
 * A connection that fails at once while Redis is away, so that a limit falls back to memory instead of waiting. One that falls
 * silent, as when the other machine has vanished, is given up, or each request would wait for it anew.
 */
export function limitsRedis(url: string): Redis {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    commandTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
  });
  client.on('error', outageLog(new Logger('RateLimits'), 'each process counts by itself, Redis is away'));
  return client;
}
