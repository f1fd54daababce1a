import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import { newId } from '../../src/common/ids.js';
import { dataSourceOptions } from '../../src/data-source.js';
import { Sql } from '../../src/database/index.js';
import {
  EventLog,
  type EventStream,
  type FeedEvent,
  FeedTail,
  type NewFeedEvent,
  Projector,
} from '../../src/feed/index.js';
import { Submissions } from '../../src/tasks/submissions.js';
import { TaskStore } from '../../src/tasks/task-store.js';
import { fund } from '../support/credits.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

const ROUNDS = 40;

describe('the feed', () => {
  let database: TestDatabase;
  let processes: Process[];
  const userId = newId();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    processes = await Promise.all([openProcess(database.url), openProcess(database.url)]);
    await processes[0].sql.query('user', `INSERT INTO users (id, email, password_hash) VALUES ($1, 'a@b.test', '')`, [
      userId,
    ]);
    await fund(processes[0].sql, userId, 2n ** 40n);
  });

  afterAll(async () => {
    await Promise.all(processes.map((process) => process.close()));
    await database.drop();
    Logger.overrideLogger(['error', 'warn', 'log']);
  });

  it('never hides an event from who reads after the last one seen, whoever writes and however long it takes', async () => {
    const [one, other] = processes;
    const taskId = newId();
    let writing = true;
    const writers = Promise.all([
      submitAndCancel(one, userId),
      submitAndCancel(other, userId),
      appendSlowly(one, taskId),
      appendSlowly(other, taskId),
    ]).finally(() => (writing = false));

    const seen: FeedEvent[] = [];
    for (let last = false; !last;) {
      last = !writing;
      // A small page, so that reading goes on in the middle of what is being written.
      let page: FeedEvent[];
      do {
        page = await other.log.readAfter(seen.at(-1)?.seq ?? 0, 7);
        seen.push(...page);
      } while (page.length === 7);
    }
    const { committed, rolledBack } = tally(await writers);

    const table = await one.sql.query<{ seq: string }>('all', 'SELECT seq FROM task_events ORDER BY seq', []);
    expect(seen.map(({ seq }) => seq)).toEqual(table.map(({ seq }) => Number(seq)));
    expect(new Set(seen.map(({ seq }) => seq)).size).toBe(seen.length);
    expect(rolledBack).toBeGreaterThan(0);
    // Each round of a store writes two events; the transactions that rolled back none.
    expect(seen).toHaveLength(2 * 2 * ROUNDS + committed);
    expect(seen.some(({ data }) => data.kept === false)).toBe(false);

    const ofTask = await one.log.readTask(taskId, 0, 10_000);
    expect(ofTask).toEqual(seen.filter((event) => event.task_id === taskId));
    const ofUser = await one.log.readUser(userId, ofTask[0].seq, 10_000);
    expect(ofUser).toEqual(seen.filter((event) => event.user_id === userId && event.seq > ofTask[0].seq));
    expect(await one.log.lastSeq()).toBe(seen.at(-1)?.seq);
  });

  it('records what belongs to no transaction, each event for itself', async () => {
    const [{ log }] = processes;
    const before = await log.lastSeq();
    const taskId = newId();
    const lines = Array.from({ length: 300 }, (_, line) => ({ line, text: line === 7 ? 'a\u0000b\ud800' : 'fine' }));
    await Promise.all([
      ...lines.map((data) => log.post(event(taskId, data))),
      log.post({ ...event(newId(), {}), task_id: null }),
    ]);
    expect((await log.readTask(taskId, before, 1000)).map(({ data }) => data)).toEqual(lines);
    expect(await log.readAfter(before, 1000)).toHaveLength(301);
  });

  it('is followed in order and once, also when no ring arrives', async () => {
    const [one, other] = processes;
    const taskId = newId();
    await one.log.post(event(taskId, { n: 'before' }));
    const tail = new FeedTail(other.log, SILENT);
    const heard: [FeedEvent[], FeedEvent[]] = [[], []];
    try {
      const listenerOf = (events: FeedEvent[]) => ({
        deliver: (more: FeedEvent[]) => void events.push(...more),
        wants: () => true,
      });
      await Promise.all(heard.map((events) => tail.follow(listenerOf(events))));
      await Promise.all(Array.from({ length: 50 }, (_, n) => one.log.post(event(taskId, { n }))));
      await until('the slow clock has brought all', () => heard.every((events) => events.length >= 50));
    } finally {
      tail.onApplicationShutdown();
    }
    for (const events of heard)
      expect(events.map(({ data }) => data.n)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(tail.position).toBe(await one.log.lastSeq());
  });

  it('passes events by, unread, while no listener wants any', async () => {
    const [one, other] = processes;
    const taskId = newId();
    const tail = new FeedTail(other.log, SILENT);
    const heard: FeedEvent[] = [];
    let wants = false;
    try {
      await tail.follow({ deliver: (more) => void heard.push(...more), wants: () => wants });
      await one.log.post(event(taskId, { n: 'unwanted' }));
      const last = await one.log.lastSeq();
      await until('it was passed by', () => tail.position === last);
      wants = true;
      await one.log.post(event(taskId, { n: 'wanted' }));
      await until('the slow clock has brought it', () => heard.length > 0);
    } finally {
      tail.onApplicationShutdown();
    }
    expect(heard.map(({ data }) => data.n)).toEqual(['wanted']);
  });

  it('is projected once, although two projectors compete and one fails half-way', async () => {
    const [one, other] = processes;
    await one.sql.query('projected', 'CREATE TABLE projected (seq bigint NOT NULL, by text NOT NULL)', []);
    const first = await one.log.lastSeq();
    await one.sql.query('cursor', `INSERT INTO feed_cursors (projection, seq) VALUES ('test', $1)`, [first]);
    // More than one advance can take, written while the projectors are at it.
    const writing = Promise.all(Array.from({ length: 3500 }, (_, n) => one.log.post(event(newId(), { n }))));

    let calls = 0;
    const apply = (by: string) => async (transaction: EntityManager, events: FeedEvent[]) => {
      const half = events.slice(0, Math.ceil(events.length / 2));
      await write(transaction, half, by);
      if (++calls % 3 === 2) throw new Error('out of luck');
      await write(transaction, events.slice(half.length), by);
    };
    let written = false;
    let failures = 0;
    const project = async ({ projector }: Process, by: string): Promise<void> => {
      for (let more = true; more;) {
        const complete = written;
        const progressed = await projector.advance('test', apply(by)).catch(() => {
          failures++;
          return true;
        });
        more = progressed || !complete;
      }
    };
    const projecting = Promise.all([project(one, 'one'), project(other, 'other')]);
    await writing;
    written = true;
    await projecting;
    // Whoever turned away because the other held the cursor left the rest to it; it may have failed at the very end.
    while (await one.projector.advance('test', apply('one')).catch(() => true));

    const rows = await one.sql.query<{ seq: string }>('applied', 'SELECT seq FROM projected ORDER BY seq', []);
    const events = await one.log.readAfter(first, 10_000);
    expect(rows.map(({ seq }) => Number(seq))).toEqual(events.map(({ seq }) => seq));
    expect(events).toHaveLength(3500);
    expect(failures).toBeGreaterThan(0);
  });
});

/** An event stream without subscribers. */
const SILENT: EventStream = {
  publish: async () => undefined,
  subscribe: () => () => undefined,
  ready: async () => undefined,
  close: async () => undefined,
};

interface Process {
  sql: Sql;
  log: EventLog;
  submissions: Submissions;
  store: TaskStore;
  database: DataSource;
  projector: Projector;
  close(): Promise<void>;
}

/** What one process of the server has: two pools and its own batchers. */
async function openProcess(url: string): Promise<Process> {
  const sql = new Sql(url);
  const database = await new DataSource(dataSourceOptions(url)).initialize();
  const log = new EventLog(sql, SILENT);
  return {
    sql,
    log,
    submissions: new Submissions(sql, log),
    store: new TaskStore(sql, log),
    database,
    projector: new Projector(database, log),
    async close() {
      await sql.close();
      await database.destroy();
    },
  };
}

const event = (taskId: string, data: Record<string, unknown>): NewFeedEvent => ({
  type: 'task.log',
  task_id: taskId,
  user_id: null,
  agent_owner_id: null,
  data,
});

async function submitAndCancel({ submissions, store }: Process, userId: string): Promise<boolean[]> {
  for (let round = 0; round < ROUNDS; round++) {
    const id = newId();
    const requiredCapabilities: string[] = [];
    const rest = {
      priority: 'normal',
      description: null,
      weights: null,
      limits: null,
      region: null,
      regionRequired: false,
      shareLogs: false,
      allow: [] as never[],
      maxHostCostMicro: 0n,
      budgetMicro: 1n,
      timeoutMs: 1,
      runAt: null,
      throttled: false,
      deadline: null,
      retryOf: null,
      contextId: null,
      onlyAgentId: null,
    } as const;
    await submissions.submit({
      tasks: [{ id, userId, requiredCapabilities, inputText: '{}', inputRef: null, resultByRef: false, ...rest }],
    });
    await store.transition({ taskId: id, to: 'cancelled', event: { type: 'task.cancelled', data: {} } });
  }
  return [];
}

/** Transactions that draw their number early and commit late, or not at all. @returns which of them committed */
async function appendSlowly({ database, log }: Process, taskId: string): Promise<boolean[]> {
  const committed: boolean[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const kept = round % 3 !== 2;
    const done = database.transaction(async (transaction) => {
      await log.append(transaction, [event(taskId, { kept })]);
      await pause(round % 7);
      if (!kept) throw new Error('rolled back');
    });
    committed.push(
      await done.then(
        () => true,
        () => false,
      ),
    );
  }
  return committed;
}

function tally(writers: boolean[][]): { committed: number; rolledBack: number } {
  const outcomes = writers.flat();
  const committed = outcomes.filter(Boolean).length;
  return { committed, rolledBack: outcomes.length - committed };
}

const write = (transaction: EntityManager, events: FeedEvent[], by: string): Promise<unknown> =>
  transaction.query('INSERT INTO projected (seq, by) SELECT unnest($1::bigint[]), $2', [
    events.map(({ seq }) => seq),
    by,
  ]);
