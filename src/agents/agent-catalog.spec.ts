import { describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { parseEnvironment } from '../config/index.js';
import type { EventStream } from '../feed/index.js';
import { AgentCatalog } from './agent-catalog.js';

const row = (number: number) => ({
  id: String(number).padStart(36, '0'),
  revision: '1',
  bids: true,
  owner_id: 'owner',
  name: 'Agent',
  capabilities: ['work'],
  price_micro: '1',
  price_per_kb_micro: '0',
  surge: 1,
  max_concurrency: 1,
  rating_sum: 0,
  rating_count: 0,
  raters: 0,
  rater_mean_sum: 0,
  tasks_completed: 0,
  last_invited_at: null,
});

const catalogOver = (query: (sql: string) => Promise<unknown[]>): AgentCatalog => {
  const stream = { subscribe: () => () => undefined } as unknown as EventStream;
  return new AgentCatalog({ query } as unknown as DataSource, stream, parseEnvironment({}).auction);
};

describe('the catalogue of agents', () => {
  it('forgets a capability that no agent offers any more', async () => {
    let agents: object[] = [];
    const query = async (sql: string): Promise<unknown[]> => {
      if (sql.includes('LIMIT')) return [{ ...row(1), capabilities: ['work', 'first'] }];
      if (sql.includes('revision >=')) return agents;
      return sql.startsWith('SELECT') ? [{ horizon: '1' }] : [];
    };
    const catalog = catalogOver(query);
    await catalog.offeringNow([]);
    for (let turn = 0; turn < 100; turn++) {
      agents = [{ ...row(1), capabilities: ['work', `word-${turn}`], horizon: '1' }];
      await catalog.offeringNow([]);
    }
    expect(catalog.capabilityCount).toBe(2);
    agents = [{ ...row(1), bids: false, horizon: '1' }];
    await catalog.offeringNow([]);
    expect(catalog.capabilityCount).toBe(0);
  });

  it('keeps nothing of a first read that broke off: who has left the market since would stay in it', async () => {
    const pages = [
      async () => Array.from({ length: 5000 }, (_, number) => row(number)),
      () => Promise.reject(new Error('the database went away between two pages')),
      async () => [row(1)], // all others have been retired
    ];
    const query = async (sql: string): Promise<unknown[]> => {
      if (sql.includes('LIMIT')) return pages.shift()!();
      return sql.startsWith('SELECT') ? [{ horizon: '1' }] : [];
    };
    const catalog = catalogOver(query);
    await expect(catalog.offering([])).rejects.toThrow('went away');
    for (const required of [[], ['work']]) {
      expect([...(await catalog.offering(required))].map(({ agentId }) => agentId)).toEqual([row(1).id]);
    }
  });
});
