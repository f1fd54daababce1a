import { isTerminal, type TaskStatus, TRANSITIONS } from '../../src/tasks/task-state.js';
import type { LedgerReport } from '../../src/ledger/verification.js';
import type { FeedEvent } from '../e2e/agents.js';
import type { PlannedTask } from './plan.js';

/** What is there when everything has been broken and mended, and nothing moves any more. */
export interface Evidence {
  plan: readonly PlannedTask[];
  /** The id that the submitter was told, by number. */
  told: ReadonlyMap<number, string>;
  tasks: readonly TaskRow[];
  attempts: readonly AttemptRow[];
  /** The user's part of the feed, in its order. */
  events: readonly EventRow[];
  /** The same as a reader has heard it, live. */
  heard: readonly FeedEvent[];
  statistics: readonly StatisticsRow[];
  /** How far the statistics have followed the feed, and how far it goes. */
  projected: { cursor: number; last: number };
  /** The ledger, rebuilt from its transfers and compared. */
  ledger: LedgerReport;
  /** What all users have on hold, micro-credits. */
  heldMicro: string;
  /** What the queue still holds. */
  entries: number;
  /** Processes that have outlived their servers. */
  orphans: readonly string[];
  /** Codes of errors that a task which should have completed may have failed with. */
  mayFailWith: readonly string[];
  /** No worker has died. */
  nobodyDied: boolean;
}

export interface TaskRow {
  id: string;
  number: number;
  status: TaskStatus;
  attempt: number;
  result: unknown;
  error: { code: string } | null;
  cost_micro: string | null;
}

export interface AttemptRow {
  task_id: string;
  ordinal: number;
  agent_id: string;
  price_micro: string;
  outcome: string | null;
}

export interface EventRow {
  seq: number;
  type: string;
  task_id: string | null;
  data: { status?: TaskStatus; attempt?: number };
}

export interface StatisticsRow {
  agent_id: string;
  slug: string;
  tasks_completed: number;
  attempts_failed: number;
}

export interface Violation {
  invariant: string;
  detail: string;
  taskId?: string;
}

/** The first one of each kind is enough to go after; all of them are counted. */
export function findViolations(evidence: Evidence): Violation[] {
  return Object.entries(INVARIANTS).flatMap(([invariant, check]) =>
    [...check(evidence)].map((found) => ({ invariant, ...found })),
  );
}

type Found = Omit<Violation, 'invariant'>;

/** Each by its name, as a sentence. */
const INVARIANTS: Record<string, (evidence: Evidence) => Iterable<Found>> = {
  *'every task that was answered for is there, once'({ plan, told, tasks }) {
    const byNumber = groupBy(tasks, ({ number }) => number);
    for (const { number } of plan) {
      const rows = byNumber.get(number) ?? [];
      if (rows.length !== 1) yield { detail: `number ${number} is there ${rows.length} times`, taskId: rows[0]?.id };
      else if (told.get(number) !== rows[0].id)
        yield { detail: `its submitter was told ${told.get(number)}`, taskId: rows[0].id };
    }
    if (tasks.length !== plan.length) yield { detail: `${tasks.length} tasks for a plan of ${plan.length}` };
  },

  *'every task has ended'({ tasks }) {
    for (const { id, status } of tasks) if (!isTerminal(status)) yield { detail: `it is ${status}`, taskId: id };
  },

  *'a task ends as it would have without the faults, or as its submitter wanted'({ plan, tasks, mayFailWith }) {
    const rows = new Map(tasks.map((task) => [task.number, task]));
    for (const { number, kind, cancelled } of plan) {
      const task = rows.get(number);
      if (!task || !isTerminal(task.status)) continue;
      const { id, status, error } = task;
      if (status === 'cancelled' && cancelled) continue;
      if (status === (kind === 'broken' ? 'failed' : 'completed')) continue;
      if (status === 'failed' && mayFailWith.includes(error?.code ?? '')) continue;
      yield { detail: `a ${kind} task is ${status}: ${JSON.stringify(error)}`, taskId: id };
    }
  },

  *'a result is of the task’s own input'({ plan, tasks }) {
    const kinds = new Map(plan.map(({ number, kind }) => [number, kind]));
    for (const { id, number, status, result } of tasks) {
      if (status !== 'completed') continue;
      const expected = kinds.get(number) === 'quick' ? { n: number } : { ok: true };
      const found = JSON.stringify(result);
      if (found !== JSON.stringify(expected)) yield { detail: `its result is ${found}`, taskId: id };
    }
  },

  *'a task is settled exactly once'({ tasks, events }) {
    const ends = groupBy(
      events.filter(({ type }) => isEnd(type)),
      ({ task_id }) => task_id,
    );
    for (const { id, status } of tasks) {
      const types = (ends.get(id) ?? []).map(({ type }) => type);
      const expected = isTerminal(status) ? [`task.${status}`] : [];
      if (types.join() !== expected.join())
        yield { detail: `it is ${status} and has ended as [${types.join()}]`, taskId: id };
    }
  },

  *'a task’s history is a way through the transition table'({ events }) {
    const states = new Map<string, TaskStatus>();
    for (const { task_id, type, data } of events) {
      if (!task_id || !data.status) continue;
      const before = states.get(task_id);
      const possible = before ? TRANSITIONS[before].includes(data.status) : data.status === 'queued';
      if (!possible) yield { detail: `${type} (${data.status}) came after ${before ?? 'nothing'}`, taskId: task_id };
      states.set(task_id, data.status);
    }
  },

  *'attempts are numbered without a hole, have all ended, and at most one has completed'({ tasks, attempts }) {
    const byTask = groupBy(attempts, ({ task_id }) => task_id);
    for (const { id, status, attempt } of tasks) {
      const rows = byTask.get(id) ?? [];
      const ordinals = rows.map(({ ordinal }) => ordinal).sort((a, b) => a - b);
      if (ordinals.some((ordinal, place) => ordinal !== place + 1) || ordinals.length !== attempt)
        yield { detail: `it is at attempt ${attempt} and has [${ordinals.join()}]`, taskId: id };
      const open = rows.filter(({ outcome }) => outcome === null);
      if (isTerminal(status) && open.length > 0) yield { detail: `${open.length} attempts never ended`, taskId: id };
      const completed = rows.filter(({ outcome }) => outcome === 'completed').length;
      if (completed !== (status === 'completed' ? 1 : 0))
        yield { detail: `it is ${status}, ${completed} attempts completed`, taskId: id };
    }
  },

  *'what completed is paid for once, at the price of the attempt that completed'({ tasks, attempts }) {
    const prices = new Map(
      attempts
        .filter(({ outcome }) => outcome === 'completed')
        .map(({ task_id, price_micro }) => [task_id, price_micro]),
    );
    for (const { id, cost_micro } of tasks)
      if (cost_micro !== (prices.get(id) ?? null))
        yield { detail: `cost ${cost_micro}, price ${prices.get(id)}`, taskId: id };
  },

  *'balances and holds are what the transfers say, and a completed task was paid once'({ ledger }) {
    for (const { rule, subject, detail } of ledger.findings) yield { detail: `${rule}: ${subject}, ${detail}` };
  },

  *'nothing stays on hold once all tasks have ended'({ tasks, heldMicro }) {
    if (tasks.every(({ status }) => isTerminal(status)) && heldMicro !== '0') yield { detail: `${heldMicro} are held` };
  },

  *'a reader of the feed has heard every event once, in order'({ events, heard }) {
    const end = Math.max(events.length, heard.length);
    for (let place = 0; place < end; place++) {
      const [written, told] = [events[place], heard[place]];
      if (written?.seq === told?.seq && written.type === told.type) continue;
      yield {
        detail: `at place ${place} of ${events.length}, ${written?.type} ${written?.seq} was written and ${told?.type} ${told?.seq} heard`,
        taskId: written?.task_id ?? told?.task_id ?? undefined,
      };
      return; // everything after it is moved
    }
  },

  *'statistics are equal to the recount from the attempts'({ statistics, attempts, projected }) {
    if (projected.cursor < projected.last)
      yield { detail: `they have followed to ${projected.cursor} of ${projected.last}` };
    const byAgent = groupBy(attempts, ({ agent_id }) => agent_id);
    for (const { agent_id, slug, tasks_completed, attempts_failed } of statistics) {
      const outcomes = (byAgent.get(agent_id) ?? []).map(({ outcome }) => outcome);
      const completed = outcomes.filter((outcome) => outcome === 'completed').length;
      const failed = outcomes.filter((outcome) => !NOBODYS_FAULT.includes(outcome)).length;
      if (completed !== tasks_completed || failed !== attempts_failed)
        yield {
          detail: `${slug}: ${tasks_completed} completed and ${attempts_failed} failed, recounted ${completed} and ${failed}`,
        };
    }
  },

  *'the queue is empty'({ entries }) {
    if (entries > 0) yield { detail: `it still holds ${entries}` };
  },

  *'no process outlives its server'({ orphans }) {
    for (const orphan of orphans) yield { detail: orphan };
  },

  *'a worker that has not died loses nothing'({ attempts, nobodyDied }) {
    if (!nobodyDied) return;
    for (const { task_id, ordinal, outcome } of attempts)
      if (outcome === 'lost') yield { detail: `attempt ${ordinal} was taken from it`, taskId: task_id };
  },
};

/** What does not count against an agent. */
const NOBODYS_FAULT: readonly (string | null)[] = ['completed', 'lost', 'handed_back', 'cancelled', null];

const isEnd = (type: string): boolean =>
  type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled';

function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}
