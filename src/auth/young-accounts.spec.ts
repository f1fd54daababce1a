import { expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { parseEnvironment } from '../config/index.js';
import { YoungAccounts } from './young-accounts.js';

const HOUR_MS = 3_600_000;
const idOfAge = (ms: number): string => v7({ msecs: Date.now() - ms });

function accounts(selfRegistered: string[], youngFactor = 0.1) {
  const asked: string[] = [];
  const database = {
    query: async (_sql: string, [id]: [string]) => {
      asked.push(id);
      return selfRegistered.includes(id) ? [{}] : [];
    },
  };
  const quotas = { ...parseEnvironment({}).quotas, youngMs: 24 * HOUR_MS, youngFactor };
  const young = new YoungAccounts(database as unknown as DataSource, quotas);
  return { young, asked };
}

it('gives a share of each quota to an account that registered by itself less than a day ago, and asks once', async () => {
  const id = idOfAge(23 * HOUR_MS);
  const { young, asked } = accounts([id]);
  expect([await young.quotaOf(id, 5000), await young.quotaOf(id, 3)]).toEqual([500, 1]);
  expect(asked).toEqual([id]);
});

it('gives all of it to an older account without asking, and to one that an admin opened', async () => {
  const [old, opened] = [idOfAge(25 * HOUR_MS), idOfAge(0)];
  const { young, asked } = accounts([old]);
  expect([await young.quotaOf(old, 5000), await young.quotaOf(opened, 5000)]).toEqual([5000, 5000]);
  expect(asked).toEqual([opened]);
});
