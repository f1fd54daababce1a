import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream } from '../../src/feed/index.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { SETTLE_LATE } from '../../src/ledger/settle-late.js';
import { verifyLedger } from '../../src/ledger/verification.js';
import type { NewTask } from '../../src/tasks/new-task.js';
import { Submissions } from '../../src/tasks/submissions.js';
import { TaskStore } from '../../src/tasks/task-store.js';
import { Random } from '../chaos/random.js';
import { fund } from '../support/credits.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';

const CREDIT = 1_000_000n;
const DAY_MS = 86_400_000;
const EVENT = { type: 'task.log', data: {} } as const;

describe('the ledger', () => {
  let database: TestDatabase;
  let sql: Sql;
  let one: Process;
  let other: Process;

  beforeAll(async () => {
    database = await createTestDatabase();
    sql = new Sql(database.url, 1);
    [one, other] = [openProcess(database.url), openProcess(database.url)];
  });

  afterAll(async () => {
    await Promise.all([one.close(), other.close(), sql.close()]);
    await database.drop();
  });

  describe('on a submission', () => {
    it('holds the budget, and what is not there refuses it and writes nothing', async () => {
      const userId = await user(3n * CREDIT);
      const [task, tooMuch] = [newTask(userId, 2n * CREDIT), newTask(userId, 2n * CREDIT)];
      expect(await submit(task)).toBe('stored');
      expect(await one.submissions.submit({ tasks: [tooMuch] })).toEqual({ end: 'unpaid', availableMicro: CREDIT });
      expect(await balanceOf(userId)).toEqual([CREDIT, 2n * CREDIT, 0n]);
      expect(await sql.query('none', 'SELECT FROM tasks WHERE id = $1', [tooMuch.id])).toEqual([]);
    });

    it('lets a user who cannot pay fail no other in the same batch', async () => {
      const [poor, rich] = [await user(0n), await user(10n * CREDIT)];
      const outcomes = await Promise.all(
        [rich, poor, rich, poor].map((userId) => submit(newTask(userId, CREDIT)).catch(String)),
      );
      expect(outcomes).toEqual(['stored', 'unpaid', 'stored', 'unpaid']);
    });

    it('refuses of many at once only what does not fit into what is left', async () => {
      const userId = await user(5n * CREDIT);
      const budgets = [4n, 1n, 9n, 2n, 2n].map((budget) => budget * CREDIT);
      const outcomes = await Promise.all(budgets.map((budget) => submit(newTask(userId, budget))));
      expect(outcomes).toEqual(['unpaid', 'stored', 'unpaid', 'stored', 'stored']);
      expect(await balanceOf(userId)).toEqual([0n, 5n * CREDIT, 0n]);
    });

    it('overdraws no balance, from however many processes', async () => {
      const userId = await user(10n * CREDIT);
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, index) => submit(newTask(userId, CREDIT), index % 2 ? one : other)),
      );
      expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(10);
      expect(await balanceOf(userId)).toEqual([0n, 10n * CREDIT, 0n]);
    });

    it('holds for all tasks of a submission or for none', async () => {
      const userId = await user(3n * CREDIT);
      const tasks = (count: number): NewTask[] => Array.from({ length: count }, () => newTask(userId, CREDIT));
      expect((await one.submissions.submit({ tasks: tasks(4) })).end).toBe('unpaid');
      expect((await one.submissions.submit({ tasks: tasks(3) })).end).toBe('stored');
      expect(await balanceOf(userId)).toEqual([0n, 3n * CREDIT, 0n]);
    });

    it('holds once for a key, and leaves the key of a refused submission free', async () => {
      const userId = await user(2n * CREDIT);
      const keyed = (key: string, budget: bigint) => ({
        tasks: [newTask(userId, budget)],
        key: { key, fingerprint: 'a'.repeat(64), ttlMs: 60_000 },
      });
      const outcomes = await Promise.all(
        [one, other, one, other].map(({ submissions }) => submissions.submit(keyed('same', CREDIT))),
      );
      expect(outcomes.map(({ end }) => end).sort()).toEqual(['repeated', 'repeated', 'repeated', 'stored']);
      expect(await balanceOf(userId)).toEqual([CREDIT, CREDIT, 0n]);

      const dear = keyed('dear', 2n * CREDIT);
      expect((await one.submissions.submit(dear)).end).toBe('unpaid');
      await fund(sql, userId, CREDIT);
      expect((await one.submissions.submit(dear)).end).toBe('stored');
    });

    it('holds nothing for a budget of zero', async () => {
      const userId = await user(0n);
      const task = newTask(userId, 0n);
      expect(await submit(task)).toBe('stored');
      await complete(task, await user(0n), 0n);
      expect(await balanceOf(userId)).toEqual([0n, 0n, 0n]);
    });
  });

  describe('on the end of a task', () => {
    it('pays owner and market out of the hold, and releases the rest', async () => {
      const [payer, owner] = [await user(5n * CREDIT), await user(0n)];
      const task = newTask(payer, 2n * CREDIT);
      await submit(task);
      await complete(task, owner, 1_500_000n, 100_000n);
      expect(await balanceOf(payer)).toEqual([3_500_000n, 0n, 0n]);
      expect(await balanceOf(owner)).toEqual([0n, 0n, 1_400_000n]);
      expect(await transfersOf(task.id)).toEqual([
        ['hold', 'available', 'held', '2000000'],
        ['post', 'held', 'available', '1400000'],
        ['fee', 'held', 'fees', '100000'],
        ['release', 'held', 'available', '500000'],
      ]);
    });

    it('pays an owner for its own task as any other', async () => {
      const owner = await user(2n * CREDIT);
      const task = newTask(owner, CREDIT);
      await submit(task);
      await complete(task, owner, CREDIT, 100_000n);
      expect(await balanceOf(owner)).toEqual([CREDIT, 0n, 900_000n]);
    });

    it.each(['failed', 'cancelled'] as const)('releases everything when it is %s', async (to) => {
      const userId = await user(2n * CREDIT);
      const task = newTask(userId, CREDIT);
      await submit(task);
      expect(await one.store.transition(ending(task.id, to))).toBe(true);
      expect(await balanceOf(userId)).toEqual([2n * CREDIT, 0n, 0n]);
    });

    it('pays once, however many workers settle', async () => {
      const [payer, owner] = [await user(CREDIT), await user(0n)];
      const task = newTask(payer, CREDIT);
      await submit(task);
      await run(task);
      const outcomes = await Promise.all(
        [one, other, one, other].map(({ store }) => store.transition(completion(task.id, owner, CREDIT))),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect(await balanceOf(owner)).toEqual([0n, 0n, CREDIT]);
    });

    it('settles a task of a release without a ledger, and moves no money', async () => {
      const [payer, owner] = [await user(CREDIT), await user(0n)];
      const task = newTask(payer, 0n);
      await submit(task);
      await sql.query('old', 'UPDATE tasks SET budget_micro = 1000000 WHERE id = $1', [task.id]);
      await complete(task, owner, 500_000n);
      expect([await balanceOf(payer), await balanceOf(owner)]).toEqual([
        [CREDIT, 0n, 0n],
        [0n, 0n, 0n],
      ]);
      expect(await transfersOf(task.id)).toEqual([]);
    });
  });

  describe('on a retry', () => {
    it('holds the budget of one new task, however many processes retry, and pays out of the new hold', async () => {
      const [payer, owner] = [await user(2n * CREDIT), await user(0n)];
      const task = newTask(payer, CREDIT);
      await submit(task);
      await one.store.transition(ending(task.id, 'failed'));
      const retries = [one, other, one, other].map((process) => ({ process, retry: retryOf(task) }));
      const ends = await Promise.all(retries.map(({ retry, process }) => submitRetry(retry, process)));
      expect(ends.sort()).toEqual(['repeated', 'repeated', 'repeated', 'stored']);
      expect(await balanceOf(payer)).toEqual([CREDIT, CREDIT, 0n]);
      const [{ id }] = await sql.query<{ id: string }>('retry', 'SELECT id FROM tasks WHERE retry_of = $1', [task.id]);
      await complete({ ...task, id }, owner, 400_000n);
      expect(await balanceOf(payer)).toEqual([1_600_000n, 0n, 0n]);
      expect((await transfersOf(task.id)).map(([kind]) => kind)).toEqual(['hold', 'release']);
      expect((await transfersOf(id)).map(([kind]) => kind)).toEqual(['hold', 'post', 'release']);
    });

    it('is refused when the budget is not there, and leaves the task as it was', async () => {
      const userId = await user(CREDIT);
      const [task, rival] = [newTask(userId, CREDIT), newTask(userId, CREDIT)];
      await submit(task);
      await one.store.transition(ending(task.id, 'failed'));
      await submit(rival);
      expect(await submitRetry(retryOf(task))).toBe('unpaid');
      expect(await sql.query('retry', 'SELECT id FROM tasks WHERE retry_of = $1', [task.id])).toEqual([]);
      await one.store.transition(ending(rival.id, 'failed'));
      expect(await submitRetry(retryOf(task))).toBe('stored');
    });
  });

  describe('on spending limits', () => {
    const limit = (userId: string, limits: { task?: bigint; day?: bigint }, keyId: string | null = null) =>
      sql.query(
        'limit',
        `INSERT INTO spending_limits (payer_id, user_id, key_id, task_micro, day_micro, counted) VALUES ($1, $2, $3, $4, $5, true)`,
        [keyId ?? userId, userId, keyId, limits.task?.toString() ?? null, limits.day?.toString() ?? null],
      );
    const spentBy = async (payerId: string): Promise<bigint> => {
      const text = 'SELECT spent_micro FROM spending_limits WHERE payer_id = $1';
      return BigInt((await sql.query<{ spent_micro: string }>('spent', text, [payerId]))[0].spent_micro);
    };
    const by = async (keyId: string | undefined, tasks: NewTask[], { submissions } = one): Promise<string> =>
      (await submissions.submit({ tasks, apiKeyId: keyId })).end;

    it('lets no key spend more by making keys, by batches, or by many submissions at once', async () => {
      const userId = await user(100n * CREDIT);
      const limited = await key(userId);
      const child = await key(userId, limited);
      const grandchild = await key(userId, child);
      await limit(userId, { day: 3n * CREDIT, task: 2n * CREDIT }, limited);
      const task = (budget = CREDIT) => newTask(userId, budget);
      expect(await by(grandchild, [task(2n * CREDIT + 1n)])).toBe('over_limit');
      expect(await by(child, [task(), task(), task(), task()])).toBe('over_limit');
      expect(await spentBy(limited)).toBe(0n);
      const keys = [limited, child, grandchild];
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, index) => by(keys[index % 3], [task()], index % 2 ? one : other)),
      );
      expect(outcomes.filter((end) => end === 'stored')).toHaveLength(3);
      expect(outcomes.filter((end) => end === 'over_limit')).toHaveLength(27);
      expect(await by(undefined, [task(9n * CREDIT)])).toBe('stored');
      expect(await by(await key(userId), [task()])).toBe('stored');
      expect(await balanceOf(userId)).toEqual([87n * CREDIT, 13n * CREDIT, 0n]);
      expect(await spentBy(limited)).toBe(3n * CREDIT);
    });

    it('refuses only what a limit concerns, of all that are submitted at once', async () => {
      const userId = await user(10n * CREDIT);
      const limited = await key(userId);
      await limit(userId, { day: 9n * CREDIT });
      await limit(userId, { day: CREDIT }, limited);
      const outcomes = await Promise.all([
        by(limited, [newTask(userId, 5n * CREDIT)]),
        by(undefined, [newTask(userId, 8n * CREDIT)]),
        by(limited, [newTask(userId, CREDIT)]),
        by(undefined, [newTask(userId, 9n * CREDIT)]),
        by(await key(await user(0n)), [newTask(userId, 0n)]),
      ]);
      expect(outcomes).toEqual(['over_limit', 'stored', 'stored', 'over_limit', 'stored']);
    });

    it('counts a task at what it cost once it ends, and a retry anew', async () => {
      const userId = await user(20n * CREDIT);
      const limited = await key(userId);
      await limit(userId, { day: 4n * CREDIT });
      await limit(userId, { day: 4n * CREDIT }, limited);
      const [paid, failed] = [newTask(userId, 2n * CREDIT), newTask(userId, 2n * CREDIT)];
      expect(await by(limited, [paid, failed])).toBe('stored');
      expect(await by(limited, [newTask(userId, 1n)])).toBe('over_limit');
      await complete(paid, await user(0n), 500_000n, 100_000n);
      await one.store.transition(ending(failed.id, 'failed'));
      for (const payer of [userId, limited]) expect(await spentBy(payer)).toBe(500_000n);
      expect(await by(undefined, [newTask(userId, 2n * CREDIT)])).toBe('stored');
      const again = (keyId?: string) => by(keyId, [retryOf(failed)]);
      expect(await again(limited)).toBe('over_limit');
      expect(await again()).toBe('over_limit');
      await sql.query('raise', 'UPDATE spending_limits SET day_micro = 4500000 WHERE payer_id = $1', [userId]);
      expect(await again(limited)).toBe('stored');
      expect([await spentBy(userId), await spentBy(limited)]).toEqual([4_500_000n, 2_500_000n]);
    });

    it('begins anew each day, and gets nothing back from holds of an earlier day', async () => {
      const userId = await user(20n * CREDIT);
      await limit(userId, { day: 2n * CREDIT });
      const task = newTask(userId, 2n * CREDIT);
      expect(await by(undefined, [task])).toBe('stored');
      await sql.query('yesterday', 'UPDATE spending_limits SET day = day - 1 WHERE payer_id = $1', [userId]);
      expect(await by(undefined, [newTask(userId, CREDIT)])).toBe('stored');
      expect(await spentBy(userId)).toBe(CREDIT);
    });
  });

  describe('on earnings', () => {
    it('adds them to the balance once their time has come, once', async () => {
      const [payer, owner] = [await user(3n * CREDIT), await user(0n)];
      for (let round = 0; round < 3; round++) {
        const task = newTask(payer, CREDIT);
        await submit(task);
        await complete(task, owner, CREDIT);
      }
      expect(await one.ledger.fold(owner)).toBe(false);
      const ripe = [one, other].map((process) => process.ripeLedger);
      expect(await ripe[0].balanceOf(owner)).toMatchObject({ availableMicro: 3n * CREDIT, pendingMicro: 0n });
      await Promise.all([...ripe, ...ripe, ...ripe].map((ledger) => ledger.fold(owner)));
      expect(await balanceOf(owner)).toEqual([3n * CREDIT, 0n, 0n]);
      expect(await submit(newTask(owner, 3n * CREDIT))).toBe('stored');
    });

    it('lets an owner pay with earnings that have become available and are not added yet', async () => {
      const [payer, owner] = [await user(CREDIT), await user(0n)];
      const task = newTask(payer, CREDIT);
      await submit(task);
      await complete(task, owner, CREDIT);
      const pay = () => submit(newTask(owner, CREDIT));
      expect(await one.ripeLedger.paying(owner, pay, (outcome) => outcome === 'unpaid')).toBe('stored');
    });
  });

  it('settles what a worker of a release without a ledger ended, once', async () => {
    const [payer, owner, agentId] = [await user(5n * CREDIT), await user(0n), newId()];
    await sql.query(
      'agent',
      `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro) VALUES ($1, $2, 'late', 'Late', '{}', 0)`,
      [agentId, owner],
    );
    const [done, failed] = [newTask(payer, CREDIT), newTask(payer, CREDIT)];
    for (const task of [done, failed]) await submit(task);
    const end = 'UPDATE tasks SET status = $2, cost_micro = $3, agent_id = $4 WHERE id = $1';
    await sql.query('end-late', end, [done.id, 'completed', '400000', agentId]);
    await sql.query('end-late', end, [failed.id, 'failed', null, null]);
    expect((await verify()).findings).toMatchObject([{ subject: done.id }, { subject: failed.id }]);
    for (const count of [2, 0]) expect(await sql.query('late', SETTLE_LATE, [10])).toEqual([{ count }]);
    expect(await balanceOf(payer)).toEqual([4_600_000n, 0n, 0n]);
    expect(await balanceOf(owner)).toEqual([0n, 0n, 400_000n]);
    expect((await verify()).findings).toEqual([]);
  });

  it('refuses every change of a transfer', async () => {
    for (const statement of ['UPDATE ledger_transfers SET amount_micro = 1', 'DELETE FROM ledger_transfers']) {
      await expect(sql.query(statement, statement, [])).rejects.toThrow('the ledger is append-only');
    }
  });

  it.each([1, 2, 3])('keeps every rule whatever happens in whichever order (seed %i)', async (seed) => {
    const random = new Random(seed);
    const users = await Promise.all(Array.from({ length: 4 }, () => user(BigInt(random.between(0, 19)) * CREDIT)));
    const keys = new Map<string, string[]>();
    for (const userId of users.slice(0, 2)) {
      const maker = await key(userId);
      keys.set(userId, [maker, await key(userId, maker)]);
      const text = `INSERT INTO spending_limits (payer_id, user_id, key_id, day_micro, counted) VALUES ($1, $2, $3, 6000000, true)`;
      for (const keyId of [null, maker]) await sql.query('limit', text, [keyId ?? userId, userId, keyId]);
    }
    const tasks: NewTask[] = [];
    const act = async (): Promise<void> => {
      const process = random.pick([one, other]);
      const task = random.pick(tasks);
      const [submitter, owner] = [random.pick(users), random.pick(users)];
      switch (random.between(0, 6)) {
        case 0:
        case 1: {
          const count = 1 + random.between(0, 2);
          const added = Array.from({ length: count }, () => newTask(submitter, BigInt(random.between(0, 3_000_000))));
          const apiKeyId = random.pick([undefined, ...(keys.get(submitter) ?? [])]);
          const { end } = await process.submissions.submit({ tasks: added, apiKeyId });
          if (end === 'stored') tasks.push(...added);
          return;
        }
        case 2:
          if (task) await process.store.transition(ending(task.id, random.pick(['failed', 'cancelled'] as const)));
          return;
        case 3:
          if (task) {
            const retry = retryOf(task);
            if (
              (await submitRetry(retry, process, random.pick([undefined, ...(keys.get(task.userId) ?? [])]))) ===
              'stored'
            )
              tasks.push(retry);
          }
          return;
        case 4:
          return void (await process.ripeLedger.fold(owner));
        default: {
          if (!task) return;
          await run(task, process);
          const cost = (task.budgetMicro * BigInt(random.between(0, 100))) / 100n;
          await process.store.transition(completion(task.id, owner, cost, cost / 10n));
        }
      }
    };
    for (let round = 0; round < 25; round++) await Promise.all(Array.from({ length: 8 }, act));
    expect(tasks.length).toBeGreaterThan(20);
    expect((await verify()).findings).toEqual([]);
    const spent =
      'SELECT spent_micro, spending_today(user_id, key_id) AS sum FROM spending_limits WHERE user_id = ANY ($1)';
    const limited = await sql.query<{ spent_micro: string; sum: string }>('spent', spent, [[...keys.keys()]]);
    expect(limited).toHaveLength(4);
    expect(limited.filter(({ spent_micro, sum }) => spent_micro !== sum || BigInt(sum) > 6n * CREDIT)).toEqual([]);

    await Promise.all(tasks.map((task) => one.store.transition(ending(task.id, 'cancelled'))));
    const balances = await Promise.all(users.map((userId) => one.ledger.balanceOf(userId)));
    expect(balances.map(({ heldMicro }) => heldMicro)).toEqual(users.map(() => 0n));
    expect((await verify()).findings).toEqual([]);
  });

  it('is found out when a balance or a hold is not what its transfers say', async () => {
    expect(await verify()).toMatchObject({ count: 0, findings: [] });
    const userId = await user(2n * CREDIT);
    const task = newTask(userId, CREDIT);
    await submit(task);
    await sql.query('forge', 'UPDATE ledger_balances SET available_micro = available_micro + 1 WHERE user_id = $1', [
      userId,
    ]);
    await sql.query('end', `UPDATE tasks SET status = 'failed' WHERE id = $1`, [task.id]);
    const { findings } = await verify();
    expect(findings).toEqual([
      expect.objectContaining({ rule: expect.stringContaining('a hold is open although'), subject: task.id }),
      { rule: expect.stringContaining('available'), subject: userId, detail: 'balance 1000001, transfers 1000000' },
      expect.objectContaining({ rule: 'the sum over all accounts is not zero', detail: 'sum 1' }),
    ]);
  });

  const verify = () => verifyLedger(<Row>(text: string) => sql.query('verify', text, []) as Promise<Row[]>);

  async function user(credits: bigint): Promise<string> {
    const id = newId();
    await sql.query('user', `INSERT INTO users (id, email, password_hash) VALUES ($1, $2, '')`, [
      id,
      `${id}@example.test`,
    ]);
    if (credits > 0n) await fund(sql, id, credits);
    return id;
  }

  async function key(userId: string, madeWith: string | null = null): Promise<string> {
    const id = newId();
    const text = `INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, made_with_id) VALUES ($1, $2, 'key', '', $3, '{}', $4)`;
    await sql.query('key', text, [id, userId, id.replaceAll('-', '').repeat(2), madeWith]);
    return id;
  }

  const submit = async (task: NewTask, { submissions } = one): Promise<string> =>
    (await submissions.submit({ tasks: [task] })).end;

  const retryOf = (task: NewTask): NewTask => ({ ...task, id: newId(), retryOf: task.id });

  /** With the key that recognises the retries of one task. */
  const submitRetry = async (task: NewTask, { submissions } = one, apiKeyId?: string): Promise<string> => {
    const key = { key: `retry ${task.retryOf}`, fingerprint: '0'.repeat(64), ttlMs: 60_000 };
    return (await submissions.submit({ tasks: [task], key, apiKeyId })).end;
  };

  /** Puts a task into the hands of a worker, if it waits. */
  async function run({ id }: NewTask, { store } = one): Promise<void> {
    await sql.query(
      'assign',
      `UPDATE tasks SET status = 'assigned', attempt = attempt + 1 WHERE id = $1 AND status = 'queued'`,
      [id],
    );
    await store.transition({
      taskId: id,
      to: 'running',
      leaseMs: 60_000,
      runningSince: performance.now(),
      event: EVENT,
    });
  }

  async function complete(task: NewTask, owner: string, cost: bigint, fee = 0n): Promise<void> {
    await run(task);
    expect(await one.store.transition(completion(task.id, owner, cost, fee))).toBe(true);
  }

  /** Available, held and pending, micro-credits. */
  async function balanceOf(userId: string): Promise<bigint[]> {
    const { availableMicro, heldMicro, pendingMicro } = await one.ledger.balanceOf(userId);
    return [availableMicro, heldMicro, pendingMicro];
  }

  async function transfersOf(taskId: string): Promise<string[][]> {
    const text = 'SELECT * FROM ledger_transfers WHERE task_id = $1 ORDER BY id';
    const rows = await sql.query<Record<string, string>>('transfers', text, [taskId]);
    return rows.map((row) => [row.kind, row.debit_account, row.credit_account, row.amount_micro]);
  }
});

const newTask = (userId: string, budgetMicro: bigint): NewTask => ({
  id: newId(),
  userId,
  priority: 'normal',
  description: null,
  requiredCapabilities: [],
  budgetMicro,
  inputText: '{}',
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
});

const ending = (taskId: string, to: 'failed' | 'cancelled') =>
  ({ taskId, to, error: { code: 'CODE', message: 'message' }, event: EVENT }) as const;

const completion = (taskId: string, agentOwnerId: string, costMicro: bigint, feeMicro = 0n) =>
  ({
    taskId,
    to: 'completed',
    ended: { outcome: 'completed', error: null, metering: null },
    result: { text: '1' },
    charge: { costMicro, ownerMicro: costMicro - feeMicro, feeMicro },
    agentOwnerId,
    event: EVENT,
  }) as const;

interface Process {
  submissions: Submissions;
  store: TaskStore;
  ledger: Ledger;
  /** The same ledger where earnings are available at once. */
  ripeLedger: Ledger;
  close(): Promise<void>;
}

/** What one server process has: its own connections and batchers. */
function openProcess(url: string): Process {
  const sql = new Sql(url);
  const log = new EventLog(sql, SILENT);
  const config = { signupMicro: 0n, feeMillionths: 0n, disputeMs: 0, checkIntervalMs: DAY_MS };
  return {
    submissions: new Submissions(sql, log),
    store: new TaskStore(sql, log),
    ledger: new Ledger(sql, { ...config, payoutDelayMs: DAY_MS }),
    ripeLedger: new Ledger(sql, { ...config, payoutDelayMs: 0 }),
    close: () => sql.close(),
  };
}

const SILENT: EventStream = {
  publish: async () => undefined,
  subscribe: () => () => undefined,
  ready: async () => undefined,
  close: async () => undefined,
};
