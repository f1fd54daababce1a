import { describe, expect, it } from '@jest/globals';
import { ConfigService } from '@nestjs/config';
import type { DataSource } from 'typeorm';
import { type Environment, parseEnvironment } from '../config/index.js';
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
  tasks_completed: 0,
  last_invited_at: null,
});

describe('the catalogue of agents', () => {
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
    const config = new ConfigService<Environment, true>({ ...parseEnvironment({}) });
    const stream = { subscribe: () => () => undefined } as unknown as EventStream;
    const catalog = new AgentCatalog({ query } as unknown as DataSource, stream, config);
    await expect(catalog.offering([])).rejects.toThrow('went away');
    for (const required of [[], ['work']]) {
      expect([...(await catalog.offering(required))].map(({ agentId }) => agentId)).toEqual([row(1).id]);
    }
  });
});
