import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream, type FeedNotice } from '../../src/feed/index.js';
import type { NewTask } from '../../src/tasks/new-task.js';
import { Submissions } from '../../src/tasks/submissions.js';
import type { TaskChange, ToAssigned, ToCompleted } from '../../src/tasks/task-change.js';
import { TaskStore } from '../../src/tasks/task-store.js';
import { isTerminal, TASK_STATUSES, TRANSITIONS, type TaskStatus } from '../../src/tasks/task-state.js';
import { fund } from '../support/credits.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';

/** What `JSON.parse` lets in and PostgreSQL's `jsonb` and `text` do not take. */
const POISON = { zero: 'a\u0000b', loneSurrogate: 'a\ud800b', ['key\u0000\udfff']: [1e308, -0] };

/** Of the test for deadlocks. */
const ROUNDS = 5;
const SLOW_UPDATES = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$`;

const EMPTY_SCOREBOARD = {
  strategy: 'minmax' as const,
  weights: { price: 1, quality: 0, speed: 0, reputation: 0 },
  bounds: null,
  scale: null,
  competitive: false,
  explored: false,
  bids: [],
  excluded: [],
  excluded_count: 0,
};

describe('the store of tasks', () => {
  const userId = newId();
  let database: TestDatabase;
  let sql: Sql;
  let worker: Process;
  let otherWorker: Process;

  beforeAll(async () => {
    database = await createTestDatabase();
    sql = new Sql(database.url, 1);
    worker = openProcess(database.url);
    otherWorker = openProcess(database.url);
    await sql.query('user', `INSERT INTO users (id, email, password_hash) VALUES ($1, 'owner@example.test', '')`, [
      userId,
    ]);
    await fund(sql, userId, 2n ** 62n);
    const [agent] = await sql.query<Row>(
      'agent',
      `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro)
       VALUES ($1, $2, 'agent', 'Agent', '{work}', 5) RETURNING revision`,
      [AGENT, userId],
    );
    agentRevision = agent.revision;
  });

  afterAll(async () => {
    await Promise.all([worker.close(), otherWorker.close(), sql.close()]);
    await database.drop();
  });

  describe('on a submission', () => {
    it('writes the task and its event, and rings afterwards', async () => {
      const task = newTask({
        requiredCapabilities: ['a', 'b'],
        weights: { price: 1, quality: 0, speed: 0, reputation: 0 },
        limits: { memory_mb: 4 },
        budgetMicro: 2n ** 60n,
      });
      const createdAt = await submitted(task);
      const { row, events } = await snapshot(task.id);
      expect(row).toMatchObject({
        status: 'queued',
        attempt: 0,
        required_capabilities: ['a', 'b'],
        budget_micro: String(2n ** 60n),
        input: { text: 'hello' },
        weights: { price: 1, quality: 0, speed: 0, reputation: 0 },
        limits: { memory_mb: 4 },
        created_at: createdAt,
      });
      expect(events.map(({ type, user_id }) => [type, user_id])).toEqual([['task.queued', userId]]);
      expect(worker.rung()).toBeGreaterThanOrEqual(Number(events[0].seq));
    });

    it('answers each of many at once for itself', async () => {
      const tasks = Array.from({ length: 450 }, () => newTask());
      const created = await Promise.all(tasks.map((task) => submitted(task)));
      expect(created.every((at) => at instanceof Date)).toBe(true);
      expect(await statusesOf(tasks)).toEqual(tasks.map(() => 'queued'));
    });

    it('lets no document from outside fail those beside it', async () => {
      const [before, poisoned, after] = [newTask(), newTask({ inputText: JSON.stringify(POISON) }), newTask()];
      await Promise.all([before, poisoned, after].map((task) => submitted(task)));
      expect((await snapshot(poisoned.id)).row.input).toEqual(JSON.parse(JSON.stringify(POISON)));
    });
  });

  describe('on a submission of somebody who is gone', () => {
    it('writes nothing and says so, and writes those beside it', async () => {
      const [before, orphan, after] = [newTask(), newTask({ userId: newId() }), newTask()];
      const created = await Promise.all([before, orphan, after].map((task) => submitted(task)));
      expect(created).toEqual([expect.any(Date), null, expect.any(Date)]);
      expect(await snapshot(orphan.id)).toMatchObject({ row: undefined, events: [] });
    });
  });

  describe('on a submission that may be repeated', () => {
    const keyed = (key: string, fingerprint = 'a'.repeat(64), count = 1) => ({
      tasks: Array.from({ length: count }, () => newTask()),
      key: { key, fingerprint, ttlMs: 60_000 },
    });

    it('writes the first of many at the same moment, from whatever process, and nothing of the others', async () => {
      const submissions = Array.from({ length: 20 }, () => keyed('raced', undefined, 3));
      const outcomes = await Promise.all(
        submissions.map((submission, index) => (index % 2 ? worker : otherWorker).submissions.submit(submission)),
      );
      const stored = submissions.filter((_, index) => outcomes[index].end === 'stored');
      expect(stored).toHaveLength(1);
      expect(outcomes.filter(({ end }) => end === 'repeated')).toHaveLength(19);
      const [held] = await sql.query<Row>('key', `SELECT task_ids FROM idempotency_keys WHERE key = 'raced'`, []);
      expect(held.task_ids).toEqual(stored[0].tasks.map(({ id }) => id));
      const rest = submissions.filter((submission) => submission !== stored[0]).flatMap(({ tasks }) => tasks);
      expect(await statusesOf([...stored[0].tasks, ...rest])).toEqual([
        ...stored[0].tasks.map(() => 'queued'),
        ...rest.map(() => undefined),
      ]);
    });

    it('takes a key whose time is over for a new one', async () => {
      const again = keyed('old');
      expect((await worker.submissions.submit(keyed('old'))).end).toBe('stored');
      expect((await worker.submissions.submit(again)).end).toBe('repeated');
      await sql.query(
        'age',
        `UPDATE idempotency_keys SET created_at = now() - interval '2 minutes' WHERE key = 'old'`,
        [],
      );
      expect((await worker.submissions.submit(again)).end).toBe('stored');
    });

    it('forgets keys whose time is over, and only those', async () => {
      await Promise.all(['over', 'current'].map((key) => worker.submissions.submit(keyed(key))));
      await sql.query(
        'past',
        `UPDATE idempotency_keys SET created_at = now() - interval '2 minutes' WHERE key = 'over'`,
        [],
      );
      expect(await worker.submissions.forgetKeys(60_000, 1000)).toBe(1);
      const rows = await sql.query<Row>(
        'left',
        `SELECT key FROM idempotency_keys WHERE key IN ('over', 'current')`,
        [],
      );
      expect(rows.map(({ key }) => key)).toEqual(['current']);
    });

    it('tells users apart', async () => {
      const otherUser = newId();
      await sql.query('other', `INSERT INTO users (id, email, password_hash) VALUES ($1, 'o@example.test', '')`, [
        otherUser,
      ]);
      await fund(sql, otherUser, 2n ** 40n);
      const [mine, theirs] = [keyed('same'), keyed('same')];
      theirs.tasks[0].userId = otherUser;
      const outcomes = await Promise.all([mine, theirs].map((submission) => worker.submissions.submit(submission)));
      expect(outcomes.map(({ end }) => end)).toEqual(['stored', 'stored']);
    });
  });

  describe('on a change of state', () => {
    const pairs = TASK_STATUSES.flatMap((from) => TASK_STATUSES.map((to) => ({ from, to })));
    const allowed = pairs.filter(({ from, to }) => TRANSITIONS[from].includes(to));
    const forbidden = pairs.filter(({ from, to }) => !TRANSITIONS[from].includes(to));

    it.each(allowed)('lets $from become $to, and writes state, attempt and event together', async ({ from, to }) => {
      const id = await taskIn(from);
      const before = await snapshot(id);
      expect(await worker.store.transition(fullChange(id, to))).toBe(true);

      const { row, attempts, auction, events } = await snapshot(id);
      const final = isTerminal(to);
      const queued = to === 'queued';
      const awarded = to === 'assigned';
      expect(row).toMatchObject({
        status: to,
        throttled: queued,
        attempt: awarded ? 2 : 1,
        version: queued ? null : awarded ? '2.0.0' : '1.0.0',
        result: to === 'completed' ? ['result'] : null,
        error: to === 'failed' || to === 'cancelled' ? { code: 'CODE', message: 'message' } : null,
        cost_micro: to === 'completed' ? '7' : null,
        lease_until: final || queued ? null : expect.any(Date),
        started_at: to === 'running' ? expect.any(Date) : null,
        parked_at: to === 'input_required' ? expect.any(Date) : null,
        completed_at: final ? expect.any(Date) : null,
      });
      const ended = { ordinal: 1, outcome: 'trapped', error: { code: 'TRAP' }, ended_at: expect.any(Date) };
      const begun = { ordinal: 2, outcome: null, version: '2.0.0', price_micro: '5', ended_at: null };
      expect(attempts).toMatchObject([
        to === 'running' || to === 'input_required' ? { ordinal: 1, outcome: null, ended_at: null } : ended,
        ...(awarded ? [begun] : []),
      ]);
      expect(auction).toEqual(awarded || to === 'failed' ? EMPTY_SCOREBOARD : undefined);
      expect(events.slice(before.events.length)).toMatchObject([
        { type: 'task.log', user_id: userId, agent_owner_id: OWNER, data: { to } },
      ]);
    });

    it('awards nothing to an agent that has changed since it bid, and says so', async () => {
      const agentId = newId();
      const [{ revision }] = await sql.query<Row>(
        'changing',
        `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro)
         VALUES ($1, $2, 'changing', 'Changing', '{work}', 5) RETURNING revision`,
        [agentId, userId],
      );
      const toAgent = (id: string) => ({
        ...assignment(id, 1),
        attempt: 0,
        award: { ...award(1), agentId, agentRevision: revision },
      });
      const [first, second] = [newTask(), newTask()];
      await Promise.all([first, second].map((task) => submitted(task)));
      expect(await worker.store.award(toAgent(first.id))).toBe('changed');
      await sql.query('pause', `UPDATE agents SET status = 'paused' WHERE id = $1`, [agentId]);
      const before = await snapshot(second.id);
      expect(await worker.store.award(toAgent(second.id))).toBe('agent_changed');
      expect(await worker.store.award({ ...toAgent(second.id), award: { ...award(1), agentId: newId() } })).toBe(
        'agent_changed',
      );
      expect(await snapshot(second.id)).toEqual(before);
    });

    it('awards an agent no more tasks than it takes on at once, from whatever process', async () => {
      const agentId = newId();
      const [{ revision }] = await sql.query<Row>(
        'limited',
        `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro, max_concurrency)
         VALUES ($1, $2, 'limited', 'Limited', '{work}', 5, 3) RETURNING revision`,
        [agentId, userId],
      );
      const toAgent = (id: string) => ({
        ...assignment(id, 1),
        attempt: 0,
        award: { ...award(1), agentId, agentRevision: revision },
      });
      const tasks = Array.from({ length: 20 }, () => newTask());
      await Promise.all(tasks.map((task) => submitted(task)));
      const outcomes = await Promise.all(
        tasks.map(({ id }, index) => (index % 2 ? worker : otherWorker).store.award(toAgent(id))),
      );
      expect(outcomes.filter((outcome) => outcome === 'changed')).toHaveLength(3);
      expect(outcomes.filter((outcome) => outcome === 'agent_busy')).toHaveLength(17);

      const done = tasks.find((_, index) => outcomes[index] === 'changed') as NewTask;
      const waiting = tasks.find((_, index) => outcomes[index] === 'agent_busy') as NewTask;
      expect(await worker.store.transition({ ...change(done.id, 'cancelled'), attempt: 1 })).toBe(true);
      expect(await otherWorker.store.award(toAgent(waiting.id))).toBe('changed');
    });

    it.each(forbidden)('does not let $from become $to, and writes nothing', async ({ from, to }) => {
      const id = await taskIn(from);
      const before = await snapshot(id);
      expect(await worker.store.transition(fullChange(id, to))).toBe(false);
      expect(await snapshot(id)).toEqual(before);
    });

    describe('when a cancellation meets', () => {
      const cancel = (taskId: string): TaskChange => ({
        taskId,
        to: 'cancelled',
        ended: ended('cancelled'),
        event: { type: 'task.log', data: {} },
      });
      const rivals: { rival: string; from: TaskStatus; make: (id: string) => TaskChange }[] = [
        {
          rival: 'an award',
          from: 'queued',
          make: (id) => ({ ...assignment(id, 2), attempt: 1 }),
        },
        {
          rival: 'an expiry',
          from: 'queued',
          make: (id) => ({ ...change(id, 'failed'), from: ['queued'], attempt: 1 }),
        },
        { rival: 'a start', from: 'assigned', make: (id) => ({ ...change(id, 'running'), attempt: 1 }) },
        { rival: 'a take-over', from: 'assigned', make: (id) => assignment(id, 2) },
        { rival: 'a failover', from: 'running', make: (id) => assignment(id, 2) },
        { rival: 'a result', from: 'running', make: (id) => ({ ...change(id, 'completed'), attempt: 1 }) },
        { rival: 'a failure', from: 'running', make: (id) => ({ ...change(id, 'failed'), attempt: 1 }) },
        ...(['assigned', 'running'] as const).map((from) => ({
          rival: 'a hand-back',
          from,
          make: (id: string) => ({ ...change(id, 'queued'), from: ['assigned', 'running'] as const, attempt: 1 }),
        })),
        { rival: 'a cancellation', from: 'running', make: cancel },
      ];

      /** Which of them the transition table lets through, one after the other, and where that leads. */
      const decided = (from: TaskStatus, changes: TaskChange[]): { outcomes: boolean[]; status: TaskStatus } => {
        let status = from;
        const outcomes = changes.map(({ to }) => {
          const may = TRANSITIONS[status].includes(to);
          if (may) status = to;
          return may;
        });
        return { outcomes, status };
      };

      it.each(rivals)('$rival of a task that is $from, the table decides in every order', async ({ from, make }) => {
        const orders: ((id: string) => TaskChange[])[] = [
          (id) => [cancel(id), make(id)],
          (id) => [make(id), cancel(id)],
        ];
        for (const order of orders) {
          const id = await taskIn(from);
          const before = (await snapshot(id)).events.length;
          const [first, second] = order(id);
          const outcomes = [await worker.store.transition(first), await otherWorker.store.transition(second)];
          const { row, events } = await snapshot(id);
          expect({ outcomes, status: row.status }).toEqual(decided(from, [first, second]));
          expect(events).toHaveLength(before + outcomes.filter(Boolean).length);
        }
      });

      it.each(rivals)('$rival of a task that is $from, the same when both come at once', async ({ from, make }) => {
        for (let round = 0; round < ROUNDS; round++) {
          const id = await taskIn(from);
          const before = (await snapshot(id)).events.length;
          const changes = [cancel(id), make(id)];
          const outcomes = await Promise.all([
            worker.store.transition(changes[0]),
            otherWorker.store.transition(changes[1]),
          ]);
          const { row, events } = await snapshot(id);
          const [forward, backward] = [decided(from, changes), decided(from, changes.toReversed())];
          expect([forward, { ...backward, outcomes: backward.outcomes.toReversed() }]).toContainEqual({
            outcomes,
            status: row.status,
          });
          expect(events).toHaveLength(before + outcomes.filter(Boolean).length);
        }
      });
    });

    it('refuses who speaks for an attempt that the task is no longer in', async () => {
      const id = await taskIn('running');
      for (const attempt of [0, 2]) {
        const before = await snapshot(id);
        expect(await worker.store.transition({ ...change(id, 'completed'), attempt })).toBe(false);
        expect(await snapshot(id)).toEqual(before);
      }
      expect(await worker.store.transition({ ...change(id, 'completed'), attempt: 1 })).toBe(true);
    });

    it('lets a worker that lost its task to another write nothing more', async () => {
      const id = await taskIn('running');
      const takeOver = { ...assignment(id, 2), attempt: 1, ended: ended('lost') };
      expect(await otherWorker.store.transition(takeOver)).toBe(true);
      expect(await otherWorker.store.transition({ ...change(id, 'running'), attempt: 2 })).toBe(true);
      const late = { ...completion(id, '"late"'), attempt: 1 };
      expect(await worker.store.transition(late)).toBe(false);
      expect((await snapshot(id)).row).toMatchObject({ status: 'running', attempt: 2, result: null });
    });

    it('knows nothing of a task that does not exist', async () => {
      expect(await worker.store.transition(change(newId(), 'cancelled'))).toBe(false);
    });

    it('ends the attempt that is under way when a task is settled', async () => {
      const id = await taskIn('running');
      await worker.store.transition({ ...completion(id), attempt: 1 });
      expect((await snapshot(id)).attempts).toMatchObject([
        { ordinal: 1, outcome: 'completed', ended_at: expect.any(Date) },
      ]);
    });

    it('renews the lease with each step of an attempt', async () => {
      const id = await taskIn('assigned');
      const leaseOf = async () => (await snapshot(id)).row.lease_until.getTime();
      const first = await leaseOf();
      await worker.store.transition(change(id, 'running'));
      const second = await leaseOf();
      expect(second).toBeGreaterThan(first);
      await worker.store.transition({ ...assignment(id, 2), leaseMs: 3_600_000 });
      expect(await leaseOf()).toBeGreaterThan(second);
    });

    it('rings for a cancellation that happened, and not for one that did not', async () => {
      const [running, done] = [await taskIn('running'), await taskIn('completed')];
      const cancel = (id: string) => ({
        ...change(id, 'cancelled'),
        event: { type: 'task.cancelled' as const, data: {} },
      });
      expect(await Promise.all([running, done].map((id) => worker.store.transition(cancel(id))))).toEqual([
        true,
        false,
      ]);
      const signals = worker.notices.flatMap((notice) => notice.signals);
      expect(signals).toContainEqual({ type: 'task.cancelled', id: running });
      expect(signals.some(({ id }) => id === done)).toBe(false);
    });

    it('lets no document from outside fail those beside it', async () => {
      const [before, poisoned, after] = [await taskIn('running'), await taskIn('running'), await taskIn('running')];
      const text = 'a\u0000b\ud800c';
      const poisonedChange: TaskChange = {
        taskId: poisoned,
        to: 'failed',
        error: { code: 'TRAPPED', message: text },
        ended: { outcome: 'trapped', error: { code: 'TRAPPED', message: text }, metering: null },
        scoreboard: {
          ...EMPTY_SCOREBOARD,
          excluded: [{ agent_id: newId(), agent_name: text, reason: 'no_seat', detail: text }],
        },
        event: { type: 'task.failed', data: { message: text } },
      };
      const poisonedResult = await taskIn('running');
      const changes = [
        change(before, 'completed'),
        poisonedChange,
        completion(poisonedResult, JSON.stringify(POISON)),
        change(after, 'completed'),
      ];
      expect(await Promise.all(changes.map((one) => worker.store.transition(one)))).toEqual([true, true, true, true]);

      const { row, attempts, auction, events } = await snapshot(poisoned);
      expect(row).toMatchObject({ error: { message: text } });
      expect((await snapshot(poisonedResult)).row.result).toEqual(JSON.parse(JSON.stringify(POISON)));
      expect(attempts[0].error).toEqual({ code: 'TRAPPED', message: text });
      expect(auction).toMatchObject({ excluded: [{ agent_name: text }] });
      expect(events.at(-1)).toMatchObject({ type: 'task.failed', data: { message: text } });
    });
  });

  describe('under concurrency', () => {
    it('lets exactly one of two settlements win, with one event', async () => {
      const ids = await Promise.all(Array.from({ length: 60 }, () => taskIn('running')));
      const outcomes = await Promise.all(
        ids.map(async (id) => {
          const settle = ({ store }: Process, to: TaskStatus) => store.transition({ ...change(id, to), attempt: 1 });
          return {
            id,
            // Two processes, and one of them twice in one turn.
            won: await Promise.all([
              settle(worker, 'completed'),
              settle(otherWorker, 'failed'),
              settle(worker, 'cancelled'),
            ]),
          };
        }),
      );
      for (const { id, won } of outcomes) {
        expect(won.filter(Boolean)).toHaveLength(1);
        const winner = won.indexOf(true);
        const { row, events } = await snapshot(id);
        expect(row).toMatchObject({
          status: (['completed', 'failed', 'cancelled'] as const)[winner],
          result: [['result'], null, null][winner],
          error: [null, { code: 'CODE' }, null][winner],
        });
        expect(events.map(({ type }) => type)).toEqual(['task.queued', 'task.log']);
      }
    });

    it('never deadlocks two processes that change the same tasks in opposite order', async () => {
      const ids = await Promise.all(Array.from({ length: 20 }, () => taskIn('assigned')));
      const backwards = [...ids].reverse();
      // Rows are to be locked one by one in the order of the batch, as in a large table, and slowly enough to meet.
      const url = new URL(database.url);
      url.searchParams.set('options', '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off');
      const [one, other] = [openProcess(url.href), openProcess(url.href)];
      await sql.query('slow', SLOW_UPDATES, []);
      await sql.query(
        'slow-trigger',
        'CREATE TRIGGER slow BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION slow()',
        [],
      );
      try {
        for (let round = 0; round < ROUNDS; round++) {
          const outcomes = await Promise.all([
            ...ids.map((id) => one.store.transition(assignment(id, 2 * round + 2))),
            ...backwards.map((id) => other.store.transition(assignment(id, 2 * round + 3))),
          ]);
          expect(outcomes.every(Boolean)).toBe(true);
        }
      } finally {
        await sql.query('no-slow', 'DROP TRIGGER slow ON tasks', []);
        await Promise.all([one.close(), other.close()]);
      }
      const [{ count }] = await sql.query<{ count: number }>(
        'count',
        `SELECT count(*)::int AS count FROM task_events WHERE type = 'task.log' AND task_id = ANY ($1)`,
        [ids],
      );
      expect(count).toBe(ROUNDS * 2 * ids.length);
    });

    it('has written everything that was handed in when it has drained', async () => {
      const tasks = Array.from({ length: 300 }, () => newTask());
      for (const task of tasks) void submitted(task);
      await worker.submissions.drain();
      expect(await statusesOf(tasks)).toEqual(tasks.map(() => 'queued'));
      for (const { id } of tasks) void worker.store.transition(change(id, 'cancelled'));
      await worker.store.drain();
      expect(await statusesOf(tasks)).toEqual(tasks.map(() => 'cancelled'));
    });
  });

  const newTask = (changes: Partial<NewTask> = {}): NewTask => ({
    id: newId(),
    userId,
    priority: 'normal',
    description: null,
    requiredCapabilities: [],
    budgetMicro: 1_000_000n,
    inputText: '{"text":"hello"}',
    inputRef: null,
    resultByRef: false,
    weights: null,
    limits: null,
    region: null,
    regionRequired: false,
    shareLogs: false,
    allow: [],
    maxHostCostMicro: 0n,
    timeoutMs: 1000,
    runAt: null,
    throttled: false,
    deadline: null,
    retryOf: null,
    contextId: null,
    onlyAgentId: null,
    ...changes,
  });

  /** @returns when it was created; null when it was not */
  async function submitted(task: NewTask): Promise<Date | null> {
    const outcome = await worker.submissions.submit({ tasks: [task] });
    return outcome.end === 'stored' ? outcome.createdAt : null;
  }

  /** A task in this state and in its first attempt, however it may have got there. */
  async function taskIn(status: TaskStatus): Promise<string> {
    const task = newTask();
    await submitted(task);
    await sql.query(
      'put',
      `WITH attempt AS (
         INSERT INTO task_attempts (task_id, ordinal, agent_id, version, price_micro, started_at)
         VALUES ($1, 1, $3, '1.0.0', 3, now())
       )
       UPDATE tasks SET status = $2::text, throttled = true, attempt = 1, agent_id = $3, version = '1.0.0',
              lease_until = CASE WHEN $2::text IN ('assigned', 'running') THEN now() + interval '1 second' END
        WHERE id = $1`,
      [task.id, status, AGENT],
    );
    return task.id;
  }

  async function statusesOf(tasks: NewTask[]): Promise<TaskStatus[]> {
    const rows = await sql.query<{ id: string; status: TaskStatus }>(
      'statuses',
      'SELECT id, status FROM tasks WHERE id = ANY ($1)',
      [tasks.map(({ id }) => id)],
    );
    const statuses = new Map(rows.map((row) => [row.id, row.status]));
    return tasks.map(({ id }) => statuses.get(id) as TaskStatus);
  }

  /** Everything the database knows of a task. */
  async function snapshot(id: string) {
    const rows = (name: string, text: string) => sql.query<Row>(name, text, [id]);
    const [row] = await rows('row', 'SELECT * FROM tasks WHERE id = $1');
    const [auction] = await rows('auction', 'SELECT scoreboard FROM auctions WHERE task_id = $1');
    return {
      row,
      attempts: await rows('attempts', 'SELECT * FROM task_attempts WHERE task_id = $1 ORDER BY ordinal'),
      auction: auction?.scoreboard,
      events: await rows('events', 'SELECT * FROM task_events WHERE task_id = $1 ORDER BY seq'),
    };
  }
});

/** A row as `pg` answers it; tests name the columns they look at. */
type Row = Record<string, any>;

const AGENT = newId();
const OWNER = newId();
/** Of the agent as the database has it. */
let agentRevision: string;

/** The least that a change to this state writes, whatever attempt the task is in. */
function change(taskId: string, to: TaskStatus): TaskChange {
  const event = { type: 'task.log', data: { to } } as const;
  switch (to) {
    case 'queued':
      return { taskId, to, from: TASK_STATUSES, event };
    case 'assigned':
      return assignment(taskId, 2);
    case 'running':
      return { taskId, to, leaseMs: 60_000, runningSince: performance.now(), event };
    case 'input_required':
      return { taskId, to, leaseMs: 60_000, event };
    case 'completed':
      return completion(taskId);
    case 'failed':
      return { taskId, to, error: { code: 'CODE', message: 'message' }, event };
    case 'cancelled':
      return { taskId, to, event };
  }
}

const assignment = (taskId: string, ordinal: number): ToAssigned => ({
  taskId,
  to: 'assigned',
  award: award(ordinal),
  leaseMs: 60_000,
  event: { type: 'task.log', data: { to: 'assigned' } },
});

const completion = (taskId: string, text = '["result"]'): ToCompleted => ({
  taskId,
  to: 'completed',
  ended: ended('completed'),
  result: { text },
  charge: { costMicro: 7n, ownerMicro: 5n, feeMicro: 2n },
  agentOwnerId: OWNER,
  event: { type: 'task.log', data: { to: 'completed' } },
});

const award = (ordinal: number) => ({
  ordinal,
  agentId: AGENT,
  agentRevision,
  version: '2.0.0',
  priceMicro: 5n,
  worker: 7,
});

const ended = (outcome: string) => ({
  outcome,
  error: outcome === 'trapped' ? { code: 'TRAP', message: 'unreachable' } : null,
  metering: { wall_ms: 1, cpu_ms: 1, peak_memory_bytes: 65_536, bytes_in: 1, bytes_out: 1, host_calls: 6 },
});

/** A change that writes everything that a change to this state can write. */
function fullChange(taskId: string, to: TaskStatus): TaskChange {
  const least = change(taskId, to);
  const common = { attempt: 1, agentOwnerId: OWNER };
  const end = { ended: ended('trapped') };
  switch (least.to) {
    case 'queued':
      return { ...least, ...common, ...end, throttle: true };
    case 'assigned':
      return { ...least, ...common, ...end, scoreboard: EMPTY_SCOREBOARD };
    case 'running':
    case 'input_required':
      return { ...least, ...common };
    case 'completed':
      return { ...least, ...common, ...end };
    case 'failed':
      return { ...least, ...common, ...end, scoreboard: EMPTY_SCOREBOARD };
    case 'cancelled':
      return { ...least, ...common, ...end, error: { code: 'CODE', message: 'message' } };
  }
}

interface Process {
  submissions: Submissions;
  store: TaskStore;
  notices: FeedNotice[];
  /** The highest `seq` it has rung for. */
  rung(): number;
  close(): Promise<void>;
}

/** What one server process has: its own connections and batchers, and an event stream that only records. */
function openProcess(url: string): Process {
  const sql = new Sql(url);
  const notices: FeedNotice[] = [];
  const stream: EventStream = {
    publish: async (notice) => void notices.push(notice),
    subscribe: () => () => undefined,
    ready: async () => undefined,
    close: async () => undefined,
  };
  const log = new EventLog(sql, stream);
  return {
    submissions: new Submissions(sql, log),
    store: new TaskStore(sql, log),
    notices,
    rung: () => Math.max(...notices.map(({ seq }) => seq)),
    close: () => sql.close(),
  };
}
