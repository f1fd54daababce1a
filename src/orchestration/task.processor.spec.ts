import { describe, expect, it } from '@jest/globals';
import type { Presence } from '../database/index.js';
import type { TaskLookup, TaskStore, UnfinishedTask } from '../tasks/index.js';
import { newId } from '../common/ids.js';
import type { AttemptRunner } from './attempt.js';
import type { MetaAgent } from './meta-agent.js';
import { TaskProcessor } from './task.processor.js';

describe('a worker', () => {
  it('puts a task back whose awards are refused again and again, instead of holding auctions without a pause', async () => {
    let awards = 0;
    const store = { award: async () => (++awards < 100 ? 'agent_changed' : 'moved_on') };
    const auction = { scoreboard: {}, ranking: [{ agentId: 'agent', priceMicro: 1n }] };
    const processor = new TaskProcessor(
      {} as TaskLookup,
      { auction: async () => auction, agentsPerRound: 1, agentsPerTask: 1 } as unknown as MetaAgent,
      {} as AttemptRunner,
      store as unknown as TaskStore,
      { id: 1 } as Presence,
    );
    const task = { id: newId(), status: 'queued', attempt: 0, failedAgentIds: [], deadlineAt: Infinity };
    const handled = await processor.process(task as unknown as UnfinishedTask);
    expect(handled).toEqual({ againInMs: expect.any(Number) });
  });
});
