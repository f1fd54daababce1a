import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { api, expectStatus, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { agent, chatty, FOREVER, good, history, publish, submit } from './agents.js';

const OUTPUT_LIMIT = 200_000;
const MEMORY_LIMIT = 256 * 65_536;
/** Far more than the server needs for any of these tasks, far less than an agent could have it hold. */
const SERVER_GROWTH_BYTES = 200 * 1024 * 1024;

/** `$down (n)` calls itself `n` deep, and answers there. */
const CALLS_AND_TABLE = `(table 7 funcref)
  (func $down (param i32) (if (local.get 0)
    (then (call $down (i32.sub (local.get 0) (i32.const 1))))
    (else (call $ok))) (global.set $back (local.get 0)))
  (global $back (mut i32) (i32.const 0))`;

describe('a server with one sandbox slot', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let token: string;
  let peakBefore: number | undefined;

  beforeAll(async () => {
    database = await createTestDatabase();
    const limits = { SANDBOX_SLOTS: '1', SANDBOX_OUTPUT_BYTES: String(OUTPUT_LIMIT), SANDBOX_MEMORY_PAGES: '256' };
    server = await startServer({ env: { DATABASE_URL: database.url, ...limits } });
    token = (await registerUser(server.url)).token;
    await publish(server.url, token, 'good', await good(), { capabilities: ['good'] });
    await expectGoodTaskToComplete();
    peakBefore = peakResidentBytes(server.pid);
  });

  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  const expectGoodTaskToComplete = async (): Promise<void> => {
    const { result } = await waitForTask(server.url, token, await submit(server.url, token, 'good'), 'completed');
    expect(result).toEqual({ ok: true });
  };

  const growUntilRefused = (growth: string): string => `(loop $more (br_if $more (i32.ne ${growth} (i32.const -1))))`;

  it.each([
    ['loops for ever', FOREVER, '', 'AGENT_TIMED_OUT', 'The agent was stopped after 700 ms.'],
    ['loops in its start function', '', `(func $boot ${FOREVER}) (start $boot)`, 'AGENT_TIMED_OUT', 'after 700 ms'],
    [
      'fills its memory for ever',
      '(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (br 0))',
      '',
      'AGENT_TIMED_OUT',
      'after 700 ms',
    ],
    ['calls itself without end', '(call $deep)', '(func $deep (call $deep) (call $deep))', 'AGENT_TRAPPED', 'stack'],
    [
      'takes all the memory it gets and uses more',
      `${growUntilRefused('(memory.grow (i32.const 1))')} (i32.store (i32.const ${MEMORY_LIMIT}) (i32.const 1))`,
      '',
      'AGENT_OUT_OF_MEMORY',
      'more than the 16 MiB of memory',
    ],
    [
      'takes all the table entries it gets and uses more',
      `${growUntilRefused('(table.grow $t (ref.null func) (i32.const 5000))')}
       (table.set $t (i32.const 100000) (ref.null func))`,
      '(table $t 1 funcref)',
      'AGENT_TRAPPED',
      'The agent trapped: out_of_bounds_table.',
    ],
    ['reaches the unreachable', 'unreachable', '', 'AGENT_TRAPPED', 'The agent trapped: unreachable.'],
    ['exits with code 3', '(call $ok) (call $proc_exit (i32.const 3))', '', 'AGENT_EXITED', 'exited with code 3'],
    [
      'floods its output',
      '(loop (call $write (i32.const 1) (i32.const 1024) (i32.const 60000)) (br 0))',
      '',
      'AGENT_OUTPUT_TOO_LARGE',
      `more than ${OUTPUT_LIMIT} bytes`,
    ],
    [
      'floods its log',
      '(loop (call $write (i32.const 2) (i32.const 1024) (i32.const 60000)) (br 0))',
      '',
      'AGENT_TIMED_OUT',
      'after 700 ms',
    ],
    [
      'answers what is not JSON',
      '(call $write (i32.const 1) (i32.const 16) (i32.const 5))',
      '',
      'AGENT_OUTPUT_INVALID',
      'not JSON',
    ],
    ['answers nothing', '', '', 'AGENT_OUTPUT_INVALID', 'there is no output'],
  ])('says why an agent failed that %s, and does the next task', async (deed, body, declarations, code, message) => {
    const slug = deed.toLowerCase().replaceAll(' ', '-');
    await publish(server.url, token, slug, await agent(body, declarations), { capabilities: [slug] });
    // Only who is to meet the deadline gets one: the others would on a busy machine.
    const deadline = code === 'AGENT_TIMED_OUT' ? { timeout_ms: 700 } : {};
    const taskId = await submit(server.url, token, slug, deadline);
    const task = await waitForTask(server.url, token, taskId, 'failed');

    expect(task.error).toEqual({ code, message: expect.stringContaining(message) });
    expect(task).toMatchObject({ result: null, cost: null, attempts: [{ error: task.error }] });
    expect(task.attempts).toHaveLength(1);
    expect(task.attempts[0].metering.peak_memory_bytes).toBeLessThanOrEqual(MEMORY_LIMIT);
    await expectGoodTaskToComplete();
  });

  describe('holds a task to limits of its own:', () => {
    it.each([
      [
        'memory',
        { memory_mb: 1 },
        `${growUntilRefused('(memory.grow (i32.const 1))')} unreachable`,
        'AGENT_OUT_OF_MEMORY',
        'more than the 1 MiB of memory',
      ],
      ['processor time', { cpu_ms: 200 }, FOREVER, 'AGENT_CPU_EXHAUSTED', 'more than the 200 ms of processor time'],
      ['output', { output_bytes: 10 }, '(call $ok)', 'AGENT_OUTPUT_TOO_LARGE', 'more than 10 bytes'],
      ['tables', { table_elements: 6 }, '(call $ok)', 'AGENT_TABLE_TOO_LARGE', 'more than the 6 elements'],
      ['stack', { stack_kb: 128 }, '(call $down (i32.const 9000))', 'AGENT_TRAPPED', 'stack_overflow'],
    ])('%s', async (name, limits, body, code, message) => {
      const slug = `limited-${name.replace(' ', '-')}`;
      await publish(server.url, token, slug, await agent(body, CALLS_AND_TABLE), { capabilities: [slug] });
      const taskId = await submit(server.url, token, slug, { limits });
      const task = await waitForTask(server.url, token, taskId, 'failed');
      expect(task).toMatchObject({ limits, error: { code, message: expect.stringContaining(message) } });
      await expectGoodTaskToComplete();
    });

    it('log', async () => {
      await publish(server.url, token, 'talkative', await chatty(5), {
        capabilities: ['talkative'],
        limits: { log_lines: 3 },
      });
      const lines = async (limits?: object): Promise<number> => {
        const taskId = await submit(server.url, token, 'talkative', limits && { limits });
        await waitForTask(server.url, token, taskId, 'completed');
        return (await history(server.url, token, taskId))
          .filter(({ type }) => type === 'task.log')
          .reduce((sum, { data }) => sum + data.lines.length, 0);
      };
      expect(await lines()).toBe(3);
      expect(await lines({ log_lines: 1 })).toBe(1);
      expect(await lines({ log_bytes: 10 })).toBe(2);
    });

    it('which are never above its own', async () => {
      const limits = {
        memory_mb: 17,
        table_elements: 100_001,
        stack_kb: 2049,
        cpu_ms: 120_001,
        output_bytes: OUTPUT_LIMIT + 1,
      };
      const task = { required_capabilities: ['good'], budget: 10, input: {}, limits };
      const refusal = expectStatus(await api(server.url).post('/tasks', task, { token }), 400);
      expect(refusal.body.errors).toEqual([
        { field: 'limits.memory_mb', message: 'must be at most 16' },
        { field: 'limits.table_elements', message: 'must be at most 100000' },
        { field: 'limits.stack_kb', message: 'must be at most 2048' },
        { field: 'limits.cpu_ms', message: 'must be at most 120000' },
        { field: 'limits.output_bytes', message: `must be at most ${OUTPUT_LIMIT}` },
      ]);
    });
  });

  describe('holds a version to limits of its own:', () => {
    const growing = `${growUntilRefused('(memory.grow (i32.const 1))')} unreachable`;

    it.each<[string, object, object, string, string, string]>([
      ['wall time', { timeout_ms: 300 }, {}, FOREVER, 'AGENT_TIMED_OUT', 'after 300 ms'],
      ['processor time', { cpu_ms: 200 }, {}, FOREVER, 'AGENT_CPU_EXHAUSTED', 'more than the 200 ms'],
      ['memory', { memory_mb: 1 }, {}, growing, 'AGENT_OUT_OF_MEMORY', 'more than the 1 MiB of memory'],
      ['output', { output_bytes: 10 }, {}, '(call $ok)', 'AGENT_OUTPUT_TOO_LARGE', 'more than 10 bytes'],
      ['tables', { table_elements: 6 }, {}, '(call $ok)', 'AGENT_TABLE_TOO_LARGE', 'more than the 6 elements'],
      ['stack', { stack_kb: 128 }, {}, '(call $down (i32.const 9000))', 'AGENT_TRAPPED', 'stack_overflow'],
      [
        'the task may ask for less',
        { memory_mb: 4, timeout_ms: 20_000 },
        { limits: { memory_mb: 1 } },
        growing,
        'AGENT_OUT_OF_MEMORY',
        'more than the 1 MiB of memory',
      ],
      [
        'the task may not ask for more',
        { memory_mb: 1, timeout_ms: 20_000 },
        { limits: { memory_mb: 4 } },
        growing,
        'AGENT_OUT_OF_MEMORY',
        'more than the 1 MiB of memory',
      ],
    ])('%s', async (name, limits, fields, body, code, message) => {
      const slug = `version-${name.replaceAll(' ', '-')}`;
      const wasm = await agent(body, CALLS_AND_TABLE);
      const id = await publish(server.url, token, slug, wasm, { capabilities: [slug], limits });
      const { items } = expectStatus(await api(server.url).get(`/agents/${id}/versions`, { token }), 200).body;
      expect(items).toMatchObject([{ version: '1.0.0', limits }]);
      const task = await waitForTask(server.url, token, await submit(server.url, token, slug, fields), 'failed');
      expect(task.error).toMatchObject({ code, message: expect.stringContaining(message) });
      await expectGoodTaskToComplete();
    });

    it('which belong to the version, as its bytes do', async () => {
      const wasm = await agent('(call $ok)');
      const limits = { cpu_ms: 1000 };
      const again = (form: object) => uploadAgent(server.url, token, 'frugal', wasm, { capabilities: ['f'], ...form });
      expect(expectStatus(await again({ limits }), 201).body).toMatchObject({ limits, status: 'uploaded' });
      expect(expectStatus(await again({ limits }), 200).body).toMatchObject({ limits, status: 'unchanged' });
      expect(expectStatus(await again({}), 200).body).toMatchObject({ limits });
      expect(expectStatus(await again({ limits: { cpu_ms: 2 } }), 409).body).toMatchObject({ code: 'VERSION_TAKEN' });
      const next = await again({ version: '1.0.1', limits: undefined });
      expect(expectStatus(next, 201).body).toMatchObject({ limits: null });
    });
  });

  it('refuses the upload of a binary that declares a thousand tables', async () => {
    const bomb = await agent('(call $ok)', '(table 9 funcref)'.repeat(1000));
    const refusal = await uploadAgent(server.url, token, 'bomb', bomb, { capabilities: ['bomb'] });
    expect(expectStatus(refusal, 422).body).toMatchObject({ code: 'TOO_MANY_TABLES' });
    await expectGoodTaskToComplete();
  });

  it('never held much more memory for all of them than for a well-behaved agent', () => {
    if (process.platform !== 'linux') return expect(peakBefore).toBeUndefined();
    expect(peakResidentBytes(server.pid)! - peakBefore!).toBeLessThan(SERVER_GROWTH_BYTES);
  });
});

/** The most a process has had of the machine's memory in its life, as Linux tells it. */
function peakResidentBytes(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(peak) * 1024;
}
