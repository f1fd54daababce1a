import { expect, it } from '@jest/globals';
import type { Request, Response } from 'express';
import { parseEnvironment } from '../config/index.js';
import { Costs, type RateLimits } from '../protection/index.js';
import { RequestLimits } from './request-limits.js';

it('turns away requests of the user that costs most while the event loop runs late, health excepted', async () => {
  const costs = new Costs();
  const { protection } = parseEnvironment({ RATE_LIMIT_ENABLED: 'false' });
  const limits = new RequestLimits({} as RateLimits, costs, protection);
  const take = (userId: string, path = '/api/v1/tasks') =>
    limits.take({ path, method: 'GET', ip: '192.0.2.1' } as Request, {} as Response, userId);
  costs.charge('heavy', 5000);
  await take('heavy');
  costs.look(true);
  await expect(take('heavy')).rejects.toMatchObject({ code: 'OVERLOADED', retryAfter: 2 });
  await take('light');
  await take('heavy', '/health/ready');
});
