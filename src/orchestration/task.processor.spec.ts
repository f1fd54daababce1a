import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { parseEnvironment } from '../config/index.js';
import type { AwardOutcome, TaskChange, TaskError, ToAssigned, UnfinishedTask } from '../tasks/index.js';
import type { AttemptResult } from './attempt-result.js';
import { type Auction, type Bidder, holdAuction } from '../auction/auction.js';
import { TaskProcessor } from './task.processor.js';

Logger.overrideLogger(false);

describe('a task in a worker’s hands', () => {
  it('is awarded to the winner, run and completed', async () => {
    const { changes, handled } = await processed({ auctions: [['best', 'next']], results: [completed('"done"')] });
    expect(changes).toMatchObject([
      {
        to: 'assigned',
        attempt: 0,
        award: { ordinal: 1, agentId: 'best', worker: 7, priceMicro: 1n },
        leaseMs: 31_000,
        scoreboard: { competitive: false },
        event: { type: 'task.assigned', data: { attempt: 1, agent_id: 'best' } },
        agentOwnerId: 'owner of best',
      },
      {
        to: 'completed',
        attempt: 1,
        result: { text: '"done"' },
        charge: { costMicro: 1n, ownerMicro: 1n, feeMicro: 0n },
        ended: { outcome: 'completed' },
      },
    ]);
    expect(handled).toBeUndefined();
  });

  it('does nothing for a task that has ended', async () => {
    expect(await processed({ task: null })).toEqual({ changes: [], auctions: [], handled: undefined });
  });

  it('is not started while the disk has no room for a result', async () => {
    const { changes, auctions, handled } = await processed({ diskIsLow: true });
    expect({ changes, auctions }).toEqual({ changes: [], auctions: [] });
    expect(handled).toEqual({ againInMs: expect.any(Number) });
  });

  describe('fails over', () => {
    it('to the next agent, with the end of the failed attempt in the same change', async () => {
      const results = [trapped(), completed('1')];
      const { changes } = await processed({ auctions: [['best', 'next']], results });
      expect(changes.map(({ to }) => to)).toEqual(['assigned', 'assigned', 'completed']);
      expect(changes[1]).toMatchObject({
        attempt: 1,
        award: { ordinal: 2, agentId: 'next' },
        ended: { outcome: 'trapped' },
        event: { type: 'task.failover', data: { attempt: 1, agent_id: 'best', next: { attempt: 2 } } },
        agentOwnerId: 'owner of best',
      });
      expect(changes[1]).not.toHaveProperty('scoreboard');
      expect(changes[2]).toMatchObject({ attempt: 2 });
    });

    it('to another auction without the agents that failed, whose scoreboard is stored too', async () => {
      const { changes, auctions } = await processed({
        auctions: [['a', 'b'], ['c']],
        agentsPerRound: 2,
        results: [trapped(), trapped(), completed('1')],
      });
      expect(auctions).toEqual([
        { failed: [], stale: false },
        { failed: ['a', 'b'], stale: false },
      ]);
      expect(changes[2]).toMatchObject({
        award: { ordinal: 3, agentId: 'c' },
        scoreboard: { bids: [{ agent_id: 'c' }] },
        event: { type: 'task.failover', data: { agent_id: 'b' } },
      });
    });

    it('until as many agents have failed as a task may ask', async () => {
      const results = [trapped(), trapped()];
      const { changes } = await processed({ auctions: [['a', 'b']], agentsPerTask: 2, results });
      expect(changes.at(-1)).toMatchObject({
        to: 'failed',
        attempt: 2,
        error: { code: 'ALL_AGENTS_FAILED' },
        ended: { outcome: 'trapped' },
        event: { type: 'task.failed', data: { agent_id: 'b', agent_error: { code: 'AGENT_TRAPPED' } } },
      });
    });

    it('no further once agents of two owners have refused the input', async () => {
      const results = [refused(), refused()];
      const { changes } = await processed({ auctions: [['a', 'b', 'c']], results });
      expect(changes.at(-1)).toMatchObject({ to: 'failed', attempt: 2, error: { code: 'INPUT_REFUSED' } });
    });
  });

  describe('without an agent', () => {
    it('fails with the scoreboard that explains it', async () => {
      const { changes } = await processed({ auctions: [[]] });
      expect(changes).toMatchObject([
        { to: 'failed', attempt: 0, error: { code: 'NO_AGENT_AVAILABLE' }, scoreboard: { bids: [] } },
      ]);
    });

    it('fails with the error of the agents that tried it', async () => {
      const { changes } = await processed({ auctions: [['only'], []], results: [trapped()] });
      expect(changes.at(-1)).toMatchObject({ to: 'failed', attempt: 1, error: { code: 'AGENT_TRAPPED' } });
    });

    it('waits while the ones that fit are busy, and writes nothing if it was waiting already', async () => {
      const { changes, handled } = await processed({ auctions: ['busy'] });
      expect(changes).toEqual([]);
      expect(handled).toEqual({ againInMs: expect.any(Number) });
    });

    it('goes back to the queue with its failed agent while the others are busy', async () => {
      const { changes, handled } = await processed({ auctions: [['a'], 'busy'], results: [trapped()] });
      expect(changes.at(-1)).toMatchObject({
        to: 'queued',
        from: ['assigned', 'running', 'input_required'],
        attempt: 1,
        ended: { outcome: 'trapped' },
        event: { data: { reason: 'busy', agent_id: 'a' } },
      });
      expect(handled).toEqual({ againInMs: expect.any(Number) });
    });
  });

  describe('past its deadline', () => {
    it('fails without an auction', async () => {
      const { changes, auctions } = await processed({ task: { deadlineAt: performance.now() - 1 } });
      expect(changes).toMatchObject([{ to: 'failed', attempt: 0, error: { code: 'DEADLINE_EXCEEDED' } }]);
      expect(auctions).toEqual([]);
    });

    it('asks no further agent, and ends with the attempt that the deadline ended', async () => {
      const late = failed('timed_out', { code: 'DEADLINE_EXCEEDED', message: 'late' });
      const { changes } = await processed({ auctions: [['a', 'b']], results: [late] });
      expect(changes.map(({ to }) => to)).toEqual(['assigned', 'failed']);
      expect(changes[1]).toMatchObject({ attempt: 1, error: { code: 'DEADLINE_EXCEEDED' } });
    });
  });

  describe('whose worker died', () => {
    const abandoned: Partial<UnfinishedTask> = {
      status: 'running',
      attempt: 2,
      lostAttempts: 1,
      failedAgentIds: ['first'],
    };

    it('is awarded anew, and the lost attempt ends as lost', async () => {
      const { changes, auctions } = await processed({ task: abandoned, auctions: [['a']], results: [completed('1')] });
      expect(auctions).toEqual([{ failed: ['first'], stale: false }]);
      expect(changes[0]).toMatchObject({
        attempt: 2,
        award: { ordinal: 3 },
        ended: { outcome: 'lost', error: { code: 'WORKER_LOST' } },
        event: { type: 'task.assigned' },
      });
    });

    it('is no loss if the agent only waited for an answer', async () => {
      const task: Partial<UnfinishedTask> = { ...abandoned, status: 'input_required', isParked: true, lostAttempts: 0 };
      const { changes } = await processed({ task, auctions: [['a']], results: [completed('1')] });
      expect(changes[0]).toMatchObject({ ended: { outcome: 'handed_back', error: { code: 'WORKER_LOST' } } });
    });

    it('fails once it has lost more than three workers', async () => {
      const { changes } = await processed({ task: { ...abandoned, lostAttempts: 4 } });
      expect(changes).toMatchObject([
        { to: 'failed', attempt: 2, error: { code: 'WORKERS_LOST' }, ended: { outcome: 'lost' } },
      ]);
    });
  });

  it.each([
    ['early', { startsInMs: 1234 }, 1234],
    ['while another worker leases the task', { leasedForMs: 900 }, 900],
    ['while another worker leases the task for long', { leasedForMs: 60_000 }, 5_000],
    ['after the attempt that submitted it lost its worker', { isOrphaned: true }, 5_000],
  ])('is looked at again later when its entry came %s', async (_, task, againInMs) => {
    expect(await processed({ task })).toEqual({ changes: [], auctions: [], handled: { againInMs } });
  });

  describe('whose award is refused', () => {
    it('goes to a fresh auction at once', async () => {
      const { changes, auctions } = await processed({
        auctions: [['a'], ['b']],
        awards: ['agent_changed', 'changed'],
        results: [completed('1')],
      });
      expect(auctions).toEqual([
        { failed: [], stale: false },
        { failed: [], stale: true },
      ]);
      expect(changes.map(({ to }) => to)).toEqual(['assigned', 'assigned', 'completed']);
      expect(changes[1]).toMatchObject({ award: { ordinal: 1, agentId: 'b' } });
    });

    it('goes back to the queue after five auctions instead of holding them without a pause', async () => {
      const { auctions, handled } = await processed({
        auctions: Array.from({ length: 9 }, () => ['a']),
        awards: Array.from({ length: 9 }, () => 'agent_busy'),
      });
      expect(auctions).toHaveLength(5);
      expect(handled).toEqual({ againInMs: expect.any(Number) });
    });

    it('is left alone when another worker has moved it on', async () => {
      const { changes, handled } = await processed({ auctions: [['a', 'b']], awards: ['moved_on'] });
      expect(changes).toHaveLength(1);
      expect(handled).toBeUndefined();
    });
  });

  it('is left alone when it was cancelled during the attempt', async () => {
    const { changes } = await processed({ auctions: [['a', 'b']], results: [{ end: 'superseded' }] });
    expect(changes.map(({ to }) => to)).toEqual(['assigned']);
  });

  it('fails by its own fault without a mark against the agent', async () => {
    const error = { code: 'INPUT_GONE', message: 'gone' };
    const { changes } = await processed({ auctions: [['a', 'b']], results: [{ end: 'unrunnable', error }] });
    expect(changes.at(-1)).toMatchObject({ to: 'failed', attempt: 1, error, ended: { outcome: 'handed_back', error } });
  });

  describe('is released', () => {
    it('at once when this process stops, and the attempt counts against nobody', async () => {
      const { changes, handled } = await processed({ auctions: [['a', 'b']], results: [{ end: 'stopped' }] });
      expect(changes.at(-1)).toMatchObject({
        to: 'queued',
        attempt: 1,
        ended: { outcome: 'handed_back', error: { code: 'WORKER_STOPPED' } },
        event: { type: 'task.requeued', data: { reason: 'stop', agent_id: 'a' } },
      });
      expect(handled).toEqual({ againInMs: 0 });
    });

    it('to wait for its next turn when this worker has no free sandbox', async () => {
      const { changes, handled } = await processed({ auctions: [['a', 'b']], results: [{ end: 'crowded' }] });
      expect(changes.at(-1)).toMatchObject({
        to: 'queued',
        throttle: true,
        ended: { outcome: 'handed_back', error: { code: 'WORKER_BUSY' } },
        event: { type: 'task.requeued', data: { reason: 'busy' } },
      });
      expect(handled).toBeUndefined();
    });

    it('with a pause when storage or database is away', async () => {
      const { changes, handled } = await processed({ auctions: [['a', 'b']], results: [new Error('storage is away')] });
      expect(changes.at(-1)).toMatchObject({
        to: 'queued',
        attempt: 1,
        ended: { outcome: 'handed_back', error: { code: 'BACKEND_AWAY' } },
      });
      expect(handled).toEqual({ againInMs: expect.any(Number) });
      expect(handled).not.toEqual({ againInMs: 0 });
    });

    it('with the end of the attempt before, when the next award was not written', async () => {
      const { changes } = await processed({
        auctions: [['a', 'b']],
        results: [trapped(), new Error('database is away')],
        transitions: [false, true],
      });
      expect(changes.slice(-2)).toMatchObject([
        { to: 'queued', attempt: 2, ended: { outcome: 'handed_back' } },
        {
          to: 'queued',
          attempt: 1,
          ended: { outcome: 'trapped' },
          event: { data: { reason: 'fault', agent_id: 'a' } },
        },
      ]);
    });

    it('a hundred times at most', async () => {
      const { changes } = await processed({ task: { releasedAttempts: 101 } });
      expect(changes).toMatchObject([{ to: 'failed', error: { code: 'SERVER_FAULT' } }]);
    });
  });

  it('drops a result that comes after the task was settled by another worker', async () => {
    const { changes, handled } = await processed({
      auctions: [['a']],
      results: [completed('1')],
      transitions: [false],
    });
    expect(changes.map(({ to }) => to)).toEqual(['assigned', 'completed']);
    expect(handled).toBeUndefined();
  });
});

interface Script {
  /** What the claim finds; null: no unfinished task. */
  task?: Partial<UnfinishedTask> | null;
  /** The bidders of each auction in their ranking; `busy`: all that fit are busy. */
  auctions?: (string[] | 'busy')[];
  /** Answers to the awards; then `changed`. */
  awards?: AwardOutcome[];
  /** Ends of the attempts, in their order. */
  results?: (AttemptResult | Error)[];
  /** Answers to the other changes; then true. */
  transitions?: boolean[];
  diskIsLow?: boolean;
  agentsPerRound?: number;
  agentsPerTask?: number;
}

/** Lets a worker process one task in a world that answers as the script says. @returns what it asked and wrote */
async function processed(script: Script) {
  const changes: TaskChange[] = [];
  const auctions: { failed: readonly string[]; stale: boolean }[] = [];
  const awards = [...(script.awards ?? [])];
  const transitions = [...(script.transitions ?? [])];
  const results = [...(script.results ?? [])];
  const bidders = [...(script.auctions ?? [])];
  const processor = new TaskProcessor(
    {
      unfinished: async () => (script.task === null ? null : { ...TASK, ...script.task }),
      outcome: async () => 'lost',
    },
    {
      agentsPerRound: script.agentsPerRound ?? 4,
      agentsPerTask: script.agentsPerTask ?? 8,
      auction: async (_, failed, stale = false) => {
        auctions.push({ failed, stale });
        return auctionOf(next(bidders));
      },
    },
    {
      run: async () => {
        const result = next(results);
        if (result instanceof Error) throw result;
        return result;
      },
      stop: () => undefined,
      releaseParked: () => undefined,
    },
    {
      award: async (change: ToAssigned) => {
        changes.push(change);
        return awards.shift() ?? 'changed';
      },
      transition: async (change) => {
        changes.push(change);
        return transitions.shift() ?? true;
      },
    },
    { id: 7, trustsAbsence: true },
    { isLow: script.diskIsLow ?? false },
    { feeMillionths: 0n },
  );
  const handled = await processor.process(TASK.id);
  return { changes, auctions, handled };
}

function next<T>(script: T[]): T {
  const [item] = script.splice(0, 1);
  if (item === undefined) throw new Error('the script has no more answers');
  return item;
}

const TASK: UnfinishedTask = {
  onlyAgentId: null,
  id: 'task',
  userId: 'submitter',
  status: 'queued',
  attempt: 0,
  requiredCapabilities: [],
  budgetMicro: 1_000_000n,
  input: '{}',
  resultByRef: false,
  weights: null,
  limits: null,
  region: null,
  regionRequired: false,
  allow: [],
  shareLogs: false,
  timeoutMs: 1000,
  startsInMs: 0,
  leasedForMs: 0,
  traceparent: null,
  dueSince: 0,
  deadlineAt: Infinity,
  isParked: false,
  isOrphaned: false,
  ancestorAgents: [],
  failedAgentIds: [],
  lostAttempts: 0,
  releasedAttempts: 0,
};

const RULES = parseEnvironment({}).auction;

/** Each bidder asks more than the one before it, so that they rank in the order given. */
function auctionOf(bidders: string[] | 'busy'): Auction {
  const candidates = bidders === 'busy' ? [busyAgent()] : bidders.map((name, index) => bidder(name, BigInt(index + 1)));
  const request = { ...TASK, inputBytes: 2, luck: 1, limitMs: 1000 };
  return holdAuction(candidates, request, RULES);
}

const bidder = (agentId: string, priceMicro: bigint): Bidder => ({
  agentId,
  revision: '1',
  ownerId: `owner of ${agentId}`,
  name: agentId,
  capabilities: [],
  pricing: { baseMicro: priceMicro, perKbMicro: 0n, surge: 1, maxConcurrency: null },
  running: 0,
  region: null,
  rating: 4,
  highestRating: 5,
  raters: 0,
  tasksCompleted: 1,
  estimatedMs: 10,
  lastInvitedAt: 0,
  version: '1.0.0',
  sha256: 'hash',
  storageRef: 'ref',
  limits: null,
  permissions: null,
  contract: null,
  priceMicro,
});

function busyAgent(): Bidder {
  const agent = bidder('busy', 1n);
  return { ...agent, running: 1, pricing: { ...agent.pricing, maxConcurrency: 1 } };
}

const METERING = { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 65_536, bytes_in: 2, bytes_out: 1, host_calls: 0 };

const completed = (text: string): AttemptResult => ({
  end: 'completed',
  result: { text },
  record: { outcome: 'completed', error: null, metering: METERING },
});

const failed = (outcome: string, error: TaskError): AttemptResult => ({
  end: 'failed',
  error,
  record: { outcome, error, metering: METERING },
});

const trapped = () => failed('trapped', { code: 'AGENT_TRAPPED', message: 'The agent trapped: unreachable.' });
const refused = () => failed('input_refused', { code: 'INPUT_REFUSED', message: 'The agent refused the input.' });
