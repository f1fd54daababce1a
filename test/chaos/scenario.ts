import { setTimeout as pause } from 'node:timers/promises';
import { verifyLedger } from '../../src/ledger/verification.js';
import { until } from '../support/until.js';
import { FAULTS, type Fault } from './faults.js';
import { type Backend, type Installation, startInstallation } from './installation.js';
import {
  type AttemptRow,
  type Evidence,
  type EventRow,
  findViolations,
  type StatisticsRow,
  type TaskRow,
  type Violation,
} from './invariants.js';
import { type PlannedTask, planTasks, submitPlan } from './plan.js';
import { Random } from './random.js';

export interface Scenario {
  backend: Backend;
  /** Names of the faults; each strike is one of them, by chance. */
  faults: readonly string[];
  /** How many times one of them strikes. */
  strikes: number;
  tasks: number;
  seed: number;
}

export interface Report {
  completed: number;
  failed: number;
  cancelled: number;
  attempts: number;
  lost: number;
  /** What struck, in its order. */
  struck: string[];
  /** From the last mending to the end of the last task. */
  recoveredMs: number;
  violations: Violation[];
  /** Everything that is known of the first violation's task. */
  history?: string;
}

const STALLED_MS = 150_000;
const SETTLE_MS = 60_000;
const POLL_MS = 100;

/**
 * Starts an installation, has it work on a plan of tasks while faults strike it, waits until it has come to rest, and holds
 * what is left against the invariants. Tasks, their order, the faults, their victims and after how many ended tasks they strike
 * follow from the seed; what coincides with what is up to the machine.
 */
export async function play(scenario: Scenario): Promise<Report> {
  const random = new Random(scenario.seed);
  const plan = planTasks(scenario.tasks, random);
  const strikes = planStrikes(scenario, random);
  const faults = scenario.faults.map((name) => FAULTS[name]);
  let installation: Installation | undefined;
  try {
    installation = await prepare(scenario, faults);
    return await playOn(installation, scenario, plan, strikes, random);
  } finally {
    await installation?.remove();
    for (const fault of faults) await fault.cleanUp?.();
  }
}

async function playOn(
  installation: Installation,
  scenario: Scenario,
  plan: readonly PlannedTask[],
  strikes: readonly Strike[],
  random: Random,
): Promise<Report> {
  const faults = scenario.faults.map((name) => FAULTS[name]);
  const told = new Map<number, string>();
  const submitting = submitPlan(installation.url, installation, plan, told);
  submitting.catch(() => undefined); // is awaited below
  const struck: string[] = [];
  const striking = (async () => {
    for (const { fault, after } of strikes) {
      await progress(installation, after);
      await FAULTS[fault].strike(installation, random);
      struck.push(fault);
    }
    return Date.now();
  })();
  const [mendedAt] = await Promise.all([striking, submitting]);
  await allEnded(installation, plan.length, STALLED_MS);
  const endedAt = Date.now();
  await atRest(installation);
  const found = await gather(installation, faults);
  const evidence = {
    ...found,
    plan,
    told,
    heard: installation.heard.filter(isTasks),
    entries: await entriesOf(installation),
  };
  await installation.stopServers();
  const orphans = await orphansOf(installation);
  const violations = findViolations({ ...evidence, orphans });
  const { tasks, attempts } = evidence;
  const count = <Row>(rows: readonly Row[], is: (row: Row) => boolean): number => rows.filter(is).length;
  return {
    completed: count(tasks, ({ status }) => status === 'completed'),
    failed: count(tasks, ({ status }) => status === 'failed'),
    cancelled: count(tasks, ({ status }) => status === 'cancelled'),
    attempts: attempts.length,
    lost: count(attempts, ({ outcome }) => outcome === 'lost'),
    struck,
    recoveredMs: Math.max(0, endedAt - mendedAt),
    violations,
    history: violations.length > 0 ? historyOf(violations, evidence) : undefined,
  };
}

async function prepare({ backend }: Scenario, faults: readonly Fault[]): Promise<Installation> {
  const options = {};
  for (const fault of faults) Object.assign(options, await fault.prepare?.());
  return startInstallation({ backend, ...options });
}

interface Strike {
  fault: string;
  /** Tasks that have ended before. */
  after: number;
}

/** In the first two thirds of the work, so that there is something left to do after the last. */
function planStrikes({ faults, strikes, tasks }: Scenario, random: Random): Strike[] {
  return Array.from({ length: strikes }, (_, place) => ({
    fault: place < faults.length ? faults[place] : random.pick(faults),
    after: Math.floor((tasks * (place + random.next()) * 0.65) / strikes),
  }));
}

/** Waits until so many tasks have ended, or nothing moves any more. */
async function progress(installation: Installation, ended: number): Promise<void> {
  await moving(installation, (counts) => counts.ended >= ended, SETTLE_MS);
}

async function allEnded(installation: Installation, total: number, timeoutMs: number): Promise<void> {
  await moving(installation, (counts) => counts.ended === counts.total && counts.total >= total, timeoutMs);
}

/** @returns once the counts are as wanted, or have not changed for long: the invariants say what is wrong then */
async function moving(
  { postgres, userId }: Installation,
  isReached: (counts: { ended: number; total: number }) => boolean,
  timeoutMs: number,
): Promise<void> {
  let before = '';
  for (let since = Date.now(); Date.now() - since < timeoutMs; await pause(POLL_MS)) {
    const [counts] = await postgres.ask<{ ended: number; total: number }>(COUNTS, [userId]).catch(() => []);
    if (!counts) continue;
    if (isReached(counts)) return;
    const now = JSON.stringify(counts);
    if (now !== before) since = Date.now();
    before = now;
  }
}

/** Statistics have followed, the queue has dropped what was done with, the reader has heard the last event. */
async function atRest(installation: Installation): Promise<void> {
  const isAtRest = async (): Promise<boolean> => {
    const { cursor, last } = await projectedOf(installation);
    if (cursor < last || (await entriesOf(installation)) > 0) return false;
    const [{ seq }] = await installation.postgres.ask<{ seq: string }>(LAST_OF_USER, [installation.userId]);
    return Number(seq) <= (installation.heard.at(-1)?.seq ?? 0);
  };
  await until('everything is at rest', () => isAtRest().catch(() => false), SETTLE_MS).catch(() => undefined);
}

async function gather(
  installation: Installation,
  faults: readonly Fault[],
): Promise<Omit<Evidence, 'plan' | 'told' | 'heard' | 'entries' | 'orphans'>> {
  const { postgres, userId } = installation;
  return {
    tasks: await postgres.ask<TaskRow>(TASKS, [userId]),
    attempts: await postgres.ask<AttemptRow>(ATTEMPTS, [userId]),
    events: await postgres.ask<EventRow>(EVENTS, [userId]),
    statistics: await postgres.ask<StatisticsRow>(STATISTICS),
    projected: await projectedOf(installation),
    ledger: await verifyLedger(<Row>(text: string) => postgres.ask(text) as Promise<Row[]>),
    heldMicro: (await postgres.ask<{ held: string }>(HELD))[0].held,
    mayFailWith: faults.flatMap(({ mayFailWith = [] }) => mayFailWith),
    nobodyDied: faults.every(({ killsNoWorker }) => killsNoWorker),
  };
}

async function projectedOf({ postgres }: Installation): Promise<Evidence['projected']> {
  const [row] = await postgres.ask<{ cursor: string; last: string }>(PROJECTED);
  return { cursor: Number(row.cursor), last: Number(row.last) };
}

/** Entries of the queue in any state, by the backend's own books. */
async function entriesOf({ redis, postgres, queue }: Installation): Promise<number> {
  if (!redis) {
    const [{ count }] = await postgres.ask<{ count: number }>('SELECT count(*)::int AS count FROM queue_entries');
    return count;
  }
  return redis.with(async (client) => {
    const key = (name: string): string => `${queue}:tasks:${name}`;
    const lists = await Promise.all(['wait', 'paused', 'active'].map((name) => client.llen(key(name))));
    const sets = await Promise.all(
      ['prioritized', 'delayed', 'failed', 'completed'].map((name) => client.zcard(key(name))),
    );
    return [...lists, ...sets].reduce((sum, count) => sum + count, 0);
  });
}

/** What is still there a moment after all servers have ended. */
async function orphansOf({ processes }: Installation): Promise<readonly string[]> {
  await until('nothing is left', () => processes.survivors().length === 0, 5_000).catch(() => undefined);
  return processes.survivors();
}

const isTasks = ({ type }: { type: string }): boolean => type.startsWith('task.');

function historyOf(violations: readonly Violation[], { tasks, attempts, events }: Omit<Evidence, 'orphans'>): string {
  const taskId = violations.find((violation) => violation.taskId)?.taskId;
  if (!taskId) return '';
  const rows = [
    ...tasks.filter(({ id }) => id === taskId),
    ...attempts.filter(({ task_id }) => task_id === taskId),
    ...events.filter(({ task_id }) => task_id === taskId),
  ];
  return rows.map((row) => `    ${JSON.stringify(row)}`).join('\n');
}

const COUNTS = `
  SELECT (count(*) FILTER (WHERE status IN ('completed', 'failed', 'cancelled')))::int AS ended, count(*)::int AS total
    FROM tasks WHERE user_id = $1`;
const TASKS = `
  SELECT id, (input->>'n')::int AS number, status, attempt, result, error, cost_micro
    FROM tasks WHERE user_id = $1 ORDER BY id`;
const ATTEMPTS = `
  SELECT task_id, ordinal, task_attempts.agent_id, price_micro, outcome, task_attempts.error
    FROM task_attempts JOIN tasks ON tasks.id = task_id WHERE user_id = $1 ORDER BY task_id, ordinal`;
const EVENTS = `
  SELECT seq::float8 AS seq, type, task_id, data, at FROM task_events
   WHERE user_id = $1 AND type LIKE 'task.%' ORDER BY task_events.seq`;
const LAST_OF_USER = `SELECT coalesce(max(seq), 0) AS seq FROM task_events WHERE user_id = $1`;
const STATISTICS = `
  SELECT agent_id, slug, tasks_completed, attempts_failed FROM agent_statistics JOIN agents ON agents.id = agent_id`;
const HELD = 'SELECT coalesce(sum(held_micro), 0) AS held FROM ledger_balances';
const PROJECTED = `
  SELECT coalesce((SELECT seq FROM feed_cursors WHERE projection = 'agent_statistics'), 0) AS cursor,
         (SELECT coalesce(max(seq), 0) FROM task_events) AS last`;
