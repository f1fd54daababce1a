import { Logger } from '@nestjs/common';
import { Redis } from 'ioredis';
import { outageLog } from '../../observability/index.js';

/** A connection that fails at once while Redis is away, so that a limit falls back to memory instead of waiting. */
export function limitsRedis(url: string): Redis {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    commandTimeout: 500,
  });
  client.on('error', outageLog(new Logger('RateLimits'), 'each process counts by itself, Redis is away'));
  return client;
}
