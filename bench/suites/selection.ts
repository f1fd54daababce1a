import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { DataSource } from 'typeorm';
import { AgentCatalog, VersionContracts } from '../../src/agents/index.js';
import { newId } from '../../src/common/ids.js';
import { parseEnvironment } from '../../src/config/index.js';
import { dataSourceOptions } from '../../src/data-source.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream } from '../../src/feed/index.js';
import { MetaAgent } from '../../src/auction/meta-agent.js';
import { TaskStore, type UnfinishedTask } from '../../src/tasks/index.js';
import type { Bench, Report } from '../bench.js';
import { REGISTER } from '../support/population.js';
import { type Figure, percentile } from '../support/statistics.js';

const REGISTERED = 100_000;
/** Agents that offer the capability a task asks for, and the p99 that is aimed at, ms. */
const ELIGIBLE: { size: number; below?: number }[] = [
  { size: 10 },
  { size: 100, below: 1 },
  { size: 1000 },
  { size: 10_000, below: 10 },
];
const AUCTIONS = 500;
const CAPABILITIES_OF_EACH = 5;
const MAX_BYTES_OF_POSTING = 200;
const FAILOVERS = 300;

/**
 * Choosing an agent inside the server, without HTTP and queue: the catalogue with 100,000 agents read from PostgreSQL, one
 * auction after the other; what one changed agent costs; and the award that a failover waits for.
 */
export async function selection(bench: Bench): Promise<Report> {
  const url = await bench.services.createDatabase();
  const database = await new DataSource(dataSourceOptions(url)).initialize();
  bench.onEnd(() => database.destroy());
  await database.query(REGISTER, [newId(), REGISTERED, CAPABILITIES_OF_EACH]);
  await database.query('ANALYZE agents, agent_statistics, agent_binaries');

  const { auction, hostCalls } = parseEnvironment({});
  const catalog = new AgentCatalog(database, SILENT_STREAM, auction);
  bench.onEnd(async () => catalog.onApplicationShutdown());
  const metaAgent = new MetaAgent(catalog, new VersionContracts(database), auction, hostCalls);
  const figures: Figure[] = [];
  const figure = (name: string, ours: number[], rest: Partial<Figure> = {}): void =>
    void figures.push({ suite: 'selection', backend: '', name, unit: 'ms', ours, ...rest });

  const before = heapUsed();
  figure(`first read of ${REGISTERED} agents`, [await timed(() => metaAgent.auction(taskFor(['c10']), []))]);
  const bytes = (heapUsed() - before) / (REGISTERED * CAPABILITIES_OF_EACH);
  figure('memory of one capability of one agent', [bytes], { unit: 'bytes', aim: { below: MAX_BYTES_OF_POSTING } });

  for (const { size, below } of ELIGIBLE) {
    const p50: number[] = [];
    const p99: number[] = [];
    for (let round = 0; round < bench.scale.rounds; round++) {
      const times: number[] = [];
      for (let auction = 0; auction < AUCTIONS; auction++) {
        times.push(await timed(() => metaAgent.auction(taskFor([`c${size}`]), [])));
      }
      p50.push(percentile(times, 0.5));
      p99.push(percentile(times, 0.99));
    }
    figure(`auction among ${size} of ${REGISTERED}, p50`, p50);
    figure(`auction among ${size} of ${REGISTERED}, p99`, p99, below ? { aim: { below } } : {});
  }

  const changes: number[] = [];
  for (let round = 0; round < bench.scale.rounds * 10; round++) {
    await database.query(`UPDATE agents SET price_micro = price_micro + 1 WHERE slug = 'agent-1'`);
    changes.push(await timed(() => catalog.offeringNow(['c10'])));
  }
  figure('reading one agent that has changed', changes);
  const awards = await failovers(url, database);
  figure('failover: the next agent is awarded, p50', [percentile(awards, 0.5)]);
  figure('failover: the next agent is awarded, p99', [percentile(awards, 0.99)], { aim: { below: 5 } });
  return { figures, costs: [] };
}

/** Tasks whose first agent has failed get their second, one after the other. @returns how long each took to its commit, ms */
async function failovers(url: string, database: DataSource): Promise<number[]> {
  const sql = new Sql(url);
  const store = new TaskStore(sql, new EventLog(sql, SILENT_STREAM));
  const [agent]: { id: string; revision: string }[] = await database.query(
    `SELECT id, revision FROM agents WHERE slug = 'agent-2'`,
  );
  const times: number[] = [];
  try {
    for (let count = 0; count < FAILOVERS; count++) {
      const taskId = newId();
      await database.query(RUNNING_TASK, [taskId, agent.id]);
      times.push(
        await timed(async () => {
          const outcome = await store.award({
            taskId,
            to: 'assigned',
            attempt: 1,
            leaseMs: 60_000,
            award: {
              ordinal: 2,
              agentId: agent.id,
              agentRevision: agent.revision,
              version: '1.0.0',
              priceMicro: 1n,
              worker: 1,
            },
            ended: { outcome: 'trapped', error: { code: 'AGENT_TRAPPED', message: 'unreachable' }, metering: null },
            event: { type: 'task.failover', data: { attempt: 1, agent_id: agent.id, status: 'assigned' } },
          });
          if (outcome !== 'changed') throw new Error(outcome);
        }),
      );
    }
  } finally {
    await store.drain();
    await sql.close();
  }
  return times;
}

const SILENT_STREAM: EventStream = {
  publish: async () => undefined,
  subscribe: () => () => undefined,
  ready: async () => undefined,
  close: async () => undefined,
};

const taskFor = (requiredCapabilities: string[]): UnfinishedTask => ({
  id: newId(),
  userId: newId(),
  status: 'queued',
  attempt: 0,
  requiredCapabilities,
  onlyAgentId: null,
  budgetMicro: 10_000_000n,
  input: '{}',
  resultByRef: false,
  weights: null,
  limits: null,
  region: null,
  regionRequired: false,
  allow: [],
  shareLogs: false,
  timeoutMs: 30_000,
  startsInMs: 0,
  leasedForMs: 0,
  deadlineAt: Infinity,
  isParked: false,
  isOrphaned: false,
  ancestorAgents: [],
  failedAgentIds: [],
  lostAttempts: 0,
  releasedAttempts: 0,
  traceparent: null,
  dueSince: 0,
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

const RUNNING_TASK = `
  WITH task AS (
    INSERT INTO tasks (id, user_id, status, priority, required_capabilities, budget_micro, input, timeout_ms, attempt)
    SELECT $1, id, 'running', 'normal', '{c10}', 1, '{}', 1000, 1 FROM users LIMIT 1
    RETURNING id
  )
  INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, started_at)
  SELECT id, 1, $2::uuid, '1.0.0', 1, now() FROM task`;
