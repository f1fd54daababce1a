import { EventEmitter } from 'node:events';
import { expect, it } from '@jest/globals';
import type { Request, Response } from 'express';
import { spending, within } from '../common/work-context.js';
import { chargeCosts } from './charge-costs.js';
import { Costs } from './costs.js';

const trace = { traceId: '0'.repeat(32), spanId: '0'.repeat(16), sampled: false };

/** One request that sends so many bytes. @returns what it has cost each */
function costsOf(request: { user_id?: string; bytes: number; work?: () => void }): { user: number; address: number } {
  const costs = new Costs();
  const socket = { bytesRead: 100, bytesWritten: 100 };
  const response = new EventEmitter();
  within({ trace, user_id: request.user_id }, () => {
    chargeCosts(costs)({ socket, ip: '192.0.2.2' } as unknown as Request, response as Response, () => undefined);
    if (request.work) spending(request.work);
    socket.bytesWritten += request.bytes;
    response.emit('close');
  });
  return { user: costs.costOf('user'), address: costs.costOf('192.0.2.2') };
}

it('charges a request to its user, or else to its address', () => {
  const withLogin = costsOf({ user_id: 'user', bytes: 1000 });
  expect([withLogin.user > 0, withLogin.address]).toEqual([true, 0]);
  const without = costsOf({ bytes: 1000 });
  expect([without.user, without.address > 0]).toEqual([0, true]);
});

it('charges bytes, and the time of work that was measured', () => {
  const small = costsOf({ user_id: 'user', bytes: 1000 }).user;
  const large = costsOf({ user_id: 'user', bytes: 10_000_000 }).user;
  expect(large).toBeGreaterThan(small + 90);
  const work = (): void => {
    const end = performance.now() + 20;
    while (performance.now() < end);
  };
  expect(costsOf({ user_id: 'user', bytes: 1000, work }).user).toBeGreaterThan(small + 19);
});
