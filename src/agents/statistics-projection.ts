import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { firstIdAt, timeOf } from '../common/ids.js';
import { Recurring } from '../common/recurring.js';
import { EVENT_STREAM, type EventStream, type FeedEvent, Projector } from '../feed/index.js';
import { AgentStatistics } from './agent-statistics.entity.js';
import { nextEstimateRatio, nextP80 } from './statistics.js';

/** About how far statistics may lag behind the feed, ms. */
const PAUSE_MS = 250;

/**
 * Maintains `agent_statistics` by following the feed, so that settlements write no shared row. An agent that completes
 * a thousand tasks a second is updated four times a second. The figures can be rebuilt from the events.
 */
@Injectable()
export class StatisticsProjection implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Statistics');
  private readonly recurring = new Recurring(
    () => this.catchUp(),
    PAUSE_MS,
    ({ message }) => this.logger.warn(`agent statistics wait: ${message}`),
  );
  private unsubscribe: () => void = () => undefined;
  private behind = true;

  constructor(
    private readonly projector: Projector,
    @Inject(EVENT_STREAM) private readonly stream: EventStream,
  ) {}

  onApplicationBootstrap(): void {
    this.unsubscribe = this.stream.subscribe(() => {
      this.behind = true;
    });
    this.recurring.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.unsubscribe();
    await this.recurring.stop();
  }

  private async catchUp(): Promise<void> {
    if (!this.behind) return;
    this.behind = false;
    try {
      while (await this.projector.advance('agent_statistics', applyEvents));
    } catch (error) {
      this.behind = true;
      throw error;
    }
  }
}

async function applyEvents(transaction: EntityManager, events: FeedEvent[]): Promise<void> {
  const related = events.filter((event) => event.type in CHANGES && event.data.agent_id && !isOwnTask(event));
  if (related.length === 0) return;
  const isOwnHire = await ownHires(transaction, related);
  const relevant = related.filter((event) => !isOwnHire(event));
  const repository = transaction.getRepository(AgentStatistics);
  const ids = [...new Set(relevant.flatMap(({ data }) => [data.agent_id as string, ...contradictedBy(data)]))];
  // In the order of ids: transactions that change several rows then wait for each other without a deadlock.
  const rows = await repository.find({ where: { agentId: In(ids) }, order: { agentId: 'ASC' } });
  const byAgent = new Map(rows.map((row) => [row.agentId, row]));
  for (const event of relevant) {
    const statistics = byAgent.get(event.data.agent_id as string);
    if (statistics) CHANGES[event.type]?.(statistics, event.data);
    if (statistics && event.type === 'task.rated') await countRater(transaction, statistics, event);
    for (const id of contradictedBy(event.data)) {
      const refusing = byAgent.get(id);
      if (refusing) refusing.attemptsFailed += 1;
    }
  }
  await repository.save(rows);
}

/** The owner of the agent submitted the task itself. Otherwise an owner could buy its agents a reputation from itself. */
const isOwnTask = ({ user_id, agent_owner_id }: FeedEvent): boolean => user_id !== null && user_id === agent_owner_id;

/**
 * Sub-tasks that an agent of the same owner submitted, directly or further up. A submitter pays for them, but the owner
 * chose its own agent.
 */
async function ownHires(
  transaction: EntityManager,
  events: readonly FeedEvent[],
): Promise<(event: FeedEvent) => boolean> {
  const ids = [...new Set(events.map(({ task_id }) => task_id).filter((id) => id !== null))];
  const rows = await transaction.query<{ id: string; ancestor_owners: string[] }[]>(HIRERS, [ids]);
  const hirers = new Map(rows.map(({ id, ancestor_owners }) => [id, ancestor_owners]));
  return ({ task_id, agent_owner_id }) =>
    agent_owner_id !== null && hirers.get(task_id ?? '')?.includes(agent_owner_id) === true;
}

/** The module of tasks is above this one. */
const HIRERS = 'SELECT id, ancestor_owners FROM tasks WHERE id = ANY ($1::uuid[]) AND parent_id IS NOT NULL';

/**
 * An account counts once, by its newest vote, however many tasks it pays for. So do accounts that were opened in a burst:
 * within a day, from one network. Rows of earlier releases hold the sum of several votes, until the account votes again.
 */
async function countRater(
  transaction: EntityManager,
  statistics: AgentStatistics,
  { user_id, data }: FeedEvent,
): Promise<void> {
  if (user_id === null) return;
  const rating = Number(data.rating);
  const bounds = [DAY_MS, -DAY_MS].map((ms) => firstIdAt(timeOf(user_id) - ms));
  const [twin] = await transaction.query<{ rater_id: string }[]>(TWIN, [statistics.agentId, user_id, ...bounds]);
  const key = [statistics.agentId, twin?.rater_id ?? user_id];
  const [before] = await transaction.query<{ votes: number; rating_sum: number }[]>(EARLIER_VOTES, key);
  await transaction.query(VOTE, [...key, rating]);
  statistics.ratingSum += rating - (before?.rating_sum ?? 0);
  statistics.ratingCount += 1 - (before?.votes ?? 0);
  statistics.raterMeanSum += rating - (before ? before.rating_sum / before.votes : 0);
  if (!before) statistics.raters += 1;
}

const DAY_MS = 86_400_000;

/**
 * The earliest account that has voted on the agent and was opened in one burst with the voter, if the voter has no vote yet.
 * Ids of accounts tell when they were opened. Accounts that admins opened stand for themselves.
 */
const TWIN = `
  SELECT vote.rater_id
    FROM users voter
    JOIN agent_ratings vote ON vote.agent_id = $1 AND vote.rater_id > $3 AND vote.rater_id < $4
    JOIN users twin ON twin.id = vote.rater_id
   WHERE voter.id = $2 AND voter.self_registered AND twin.self_registered
     AND NOT EXISTS (SELECT FROM agent_ratings WHERE agent_id = $1 AND rater_id = $2)
     AND EXISTS (SELECT FROM known_networks a JOIN known_networks b USING (network)
                  WHERE a.user_id = voter.id AND b.user_id = twin.id)
   ORDER BY vote.rater_id
   LIMIT 1`;

const EARLIER_VOTES = 'SELECT votes, rating_sum FROM agent_ratings WHERE agent_id = $1 AND rater_id = $2';
const VOTE = `
  INSERT INTO agent_ratings (agent_id, rater_id, votes, rating_sum) VALUES ($1, $2, 1, $3)
  ON CONFLICT (agent_id, rater_id) DO UPDATE SET votes = 1, rating_sum = excluded.rating_sum`;

/**
 * A run stopped later than its bid promised counts with that time. Otherwise only its fast runs would represent a slow
 * agent. An attempt that refused the input counts only once another agent has completed the task.
 */
function countFailure(statistics: AgentStatistics, data: FeedEvent['data']): void {
  if (data.outcome === 'input_refused') return;
  statistics.attemptsFailed += 1;
  const [durationMs, promisedMs] = [Number(data.wall_ms), Number(data.estimated_ms)];
  if (data.outcome !== 'timed_out' || !(durationMs > promisedMs)) return;
  statistics.durationP80Ms = nextP80(statistics.durationP80Ms, durationMs);
  statistics.estimateRatio = nextEstimateRatio(statistics.estimateRatio, durationMs, promisedMs);
}

/** Agents that refused the input of a task that another agent then completed. */
const contradictedBy = ({ contradicted }: FeedEvent['data']): string[] =>
  Array.isArray(contradicted) ? (contradicted as string[]) : [];

/** What each event type says about the agent in its data. */
const CHANGES: Partial<Record<FeedEvent['type'], (statistics: AgentStatistics, data: FeedEvent['data']) => void>> = {
  'task.completed': (statistics, data) => {
    statistics.tasksCompleted += 1;
    const durationMs = Number(data.wall_ms);
    statistics.durationP80Ms = nextP80(statistics.durationP80Ms, durationMs);
    // Events from before promises were recorded have none.
    if (data.estimated_ms !== undefined) {
      statistics.estimateRatio = nextEstimateRatio(statistics.estimateRatio, durationMs, Number(data.estimated_ms));
    }
    statistics.cpuP80Ms = nextP80(statistics.cpuP80Ms, Number(data.cpu_ms));
    // Events of earlier releases lack it.
    const { peak_memory_bytes: peak } = data;
    if (typeof peak === 'number') statistics.memoryP80Bytes = nextP80(statistics.memoryP80Bytes, peak);
  },
  'task.failover': countFailure,
  'task.failed': countFailure,
  'task.requeued': (statistics, data) => {
    // Only after a failed attempt, if the remaining agents are busy.
    if (data.error) countFailure(statistics, data);
  },
  // `countRater` does the rest.
  'task.rated': () => undefined,
  // Only the owner's event of the two names the agent.
  'ledger.dispute_upheld': (statistics) => {
    statistics.tasksCompleted = Math.max(0, statistics.tasksCompleted - 1);
  },
};
