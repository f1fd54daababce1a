import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import loadWabt from 'wabt';
import { component, componentAgent, ECHO, instanceBomb } from '../../test/support/components.js';
import { parseEnvironment } from '../config/index.js';
import type { BlobStore } from '../storage/index.js';
import type { RunRequest } from './run.js';
import { SandboxService } from './sandbox.service.js';

const wabt = await loadWabt();
const blobs = new Map<string, Buffer>();
const UNANSWERED = 'test:unanswered';
const store = {
  read: (ref: string) => (ref === UNANSWERED ? new Promise(() => undefined) : Promise.resolve(blobs.get(ref))),
} as BlobStore;

const environment = parseEnvironment({ SANDBOX_OUTPUT_BYTES: '100000', SANDBOX_STDERR_LINES: '5' });
const sandbox = new SandboxService(store, environment.sandbox, environment.tasks);

beforeAll(() => sandbox.onModuleInit());
afterAll(() => sandbox.onApplicationShutdown());

/** Stores bytes as a version. */
function stored(bytes: Uint8Array): RunRequest['binary'] {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  blobs.set(`test:${sha256}`, Buffer.from(bytes));
  return { sha256, ref: `test:${sha256}` };
}

/** An agent whose `_start` is `body`. `$write (fd, address, length)` writes; `{"ok":true}` stands at address 16. */
function agent(body: string, { imports = '', declarations = '', pages = '2' } = {}): RunRequest['binary'] {
  const text = `(module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    ${imports}
    (memory (export "memory") ${pages})
    (data (i32.const 16) "{\\"ok\\":true}")
    ${declarations}
    (func $write (param $fd i32) (param $at i32) (param $length i32)
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $ok (call $write (i32.const 1) (i32.const 16) (i32.const 11)))
    (func (export "_start") ${body}))`;
  return stored(wabt.parseWat('agent.wat', text, { exceptions: true, tail_call: true }).toBinary({}).buffer);
}

const good = agent('(call $ok)');
const run = (binary: RunRequest['binary'], more: Partial<RunRequest> = {}) =>
  sandbox.run({ binary, input: '{}', timeoutMs: 20_000, ...more });
const outcome = async (binary: RunRequest['binary'], more?: Partial<RunRequest>) => (await run(binary, more)).outcome;

const OK = { end: 'completed', output: '{"ok":true}' };
const FOREVER = '(loop (br 0))';

describe('a well-behaved agent', () => {
  it('gets its input and answers with its output, and what it used is metered', async () => {
    const echo = agent(`(i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 65536))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $write (i32.const 1) (i32.const 100) (i32.load (i32.const 8)))`);
    const input = JSON.stringify({ text: 'grüße', list: Array(1000).fill(1) });
    const report = await run(echo, { input });
    expect(report.outcome).toEqual({ end: 'completed', output: input });
    const bytes = Buffer.byteLength(input);
    expect(report.metering).toMatchObject({ bytesIn: bytes, bytesOut: bytes, peakMemoryBytes: 2 * 65536 });
    expect(report.metering.cpuMs).toBeGreaterThan(0);
  });

  it('may exit with code 0 instead of returning', async () => {
    expect(await outcome(agent('(call $ok) (call $proc_exit (i32.const 0)) unreachable'))).toEqual(OK);
  });

  it('may tell the host that its memory has grown, as Emscripten does', async () => {
    const imports = '(import "env" "emscripten_notify_memory_growth" (func $notify (param i32)))';
    expect(await outcome(agent('(call $notify (i32.const 0)) (call $ok)', { imports }))).toEqual(OK);
  });

  it('is heard on standard error while it runs, up to the limit', async () => {
    const lines: string[] = [];
    const binary = agent('(call $write (i32.const 2) (i32.const 100) (i32.const 18)) (call $ok)', {
      declarations: String.raw`(data (i32.const 100) "a\nb\nc\nd\ne\nf\ng\nh\ni\n")`,
    });
    expect(await outcome(binary, { onLog: (line) => lines.push(line) })).toEqual(OK);
    expect(lines).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

describe('an agent that is a component', () => {
  const echo = stored(componentAgent());
  const outcomeOf = (parts: Parameters<typeof componentAgent>[0], more?: Partial<RunRequest>) =>
    outcome(stored(componentAgent(parts)), more);

  it('runs again and again in one process, each time anew, and is metered', async () => {
    for (const input of ['{"n":1}', '{"n":2}']) {
      const report = await run(echo, { input });
      expect(report.outcome).toEqual({ end: 'completed', output: input });
      expect(report.metering).toMatchObject({ bytesIn: 7, bytesOut: 7, peakMemoryBytes: 2 * 65536 });
    }
  });

  it('is held by the limits of its run: of time, of memory and of its stack', async () => {
    expect(await outcomeOf({ run: `${FOREVER} unreachable` }, { timeoutMs: 300 })).toMatchObject({ end: 'timed_out' });
    const grow = `(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) unreachable`;
    expect(await outcomeOf({ run: grow }, { limits: { maxMemoryPages: 4 } })).toMatchObject({
      end: 'out_of_memory',
      hadBytes: 4 * 65536,
    });
    expect(await outcomeOf({ run: '(call $run (i32.const 0) (i32.const 0))' })).toMatchObject({
      end: 'trapped',
      trap: 'stack_overflow',
    });
  });

  it('traps by the name of its function, and says which rule it broke on standard error', async () => {
    expect(await outcomeOf({ run: 'unreachable' })).toMatchObject({ trap: 'unreachable', function: 'run' });
    const lines: string[] = [];
    const text = '(i32.store8 (i32.const 64) (i32.const 255)) (call $answer (i32.const 64) (i32.const 1))';
    expect(await outcomeOf({ run: text }, { onLog: (line) => lines.push(line) })).toMatchObject({
      end: 'trapped',
      trap: 'component_rule',
    });
    expect(lines).toEqual(['a string is not UTF-8']);
  });

  it('is refused with the reason when it cannot be put together, and the process lives on', async () => {
    const refused = { end: 'refused' };
    expect(await outcome(stored(instanceBomb(15)))).toMatchObject(refused);
    expect(await outcome(stored(component('(component)')))).toMatchObject(refused);
    const damaged = stored(componentAgent().subarray(0, -9));
    for (let i = 0; i < 2; i++) expect(await outcome(damaged)).toMatchObject(refused);
  });

  it('cannot reach the host language by its names', async () => {
    const name = `x'];process.exit(7);//`;
    const imports = `(core module $helper (func (export "${name}")))
      (core instance $helper (instantiate $helper))`;
    const coreImports = `(import "${name}" "${name}" (func $helper))`;
    const args = `(with "${name}" (instance $helper))`;
    expect(await outcomeOf({ imports, coreImports, args, run: `(call $helper) ${ECHO}` })).toMatchObject({
      end: 'completed',
    });
  });
});

describe('the host calls of an agent', () => {
  const CALLS = `(import "zerostate" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "read" (func $read (param i32 i32) (result i32)))`;
  const declarations = '(data (i32.const 64) "kv.get{}")';
  const call = '(call $call (i32.const 64) (i32.const 6) (i32.const 70) (i32.const 2))';
  /** Answers the answer to its last call. */
  const calling = (times: number) =>
    agent(
      `${`(drop ${call})`.repeat(times - 1)}
       (call $write (i32.const 1) (i32.const 1000) (call $read (i32.const 1000) ${call}))`,
      { imports: CALLS, declarations, pages: '100' },
    );
  const host = (answer: (n: number, name: string, request: Uint8Array) => Promise<Uint8Array>, maxCalls = 100) => ({
    hostCalls: { methods: ['kv.get'], maxCalls, maxRequestBytes: 1000, answer },
  });
  const numbered = (n: number, name: string, request: Uint8Array) =>
    Promise.resolve(Buffer.from(JSON.stringify([n, name, Buffer.from(request).toString()])));

  it('wait for the answer of the server, one after the other, in every run anew', async () => {
    const output = (n: number) => ({ end: 'completed', output: `[${n},"kv.get","{}"]` });
    expect(await outcome(calling(3), host(numbered))).toEqual(output(2));
    expect(await outcome(calling(3), host(numbered))).toEqual(output(2));
    expect(await outcome(calling(1), host(numbered))).toEqual(output(0));
  });

  it('stop at their limit, and answers of megabytes come whole', async () => {
    let served = 0;
    const counted = (n: number, name: string, request: Uint8Array) => (served++, numbered(n, name, request));
    const bomb = agent(
      `(local $left i32) (local.set $left (i32.const 10000)) (loop $next (drop ${call})
      (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $next (local.get $left))) (call $ok)`,
      {
        imports: CALLS,
        declarations,
      },
    );
    expect(await outcome(bomb, host(counted, 5))).toEqual(OK);
    expect(served).toBe(5);
    const large = JSON.stringify('x'.repeat(5_000_000));
    const whole = await run(calling(1), { ...host(() => Promise.resolve(Buffer.from(large))), outputAs: 'bytes' });
    expect(whole.outcome).toMatchObject({ end: 'completed', output: Buffer.from(large) });
  });

  it('count for the wall time, and not for the processor time, of a run', async () => {
    const late = (n: number, name: string, request: Uint8Array) =>
      new Promise<Uint8Array>((resolve) => setTimeout(() => void numbered(n, name, request).then(resolve), 300));
    const { metering } = await run(calling(1), host(late));
    expect(metering.wallMs).toBeGreaterThan(290);
    expect(metering.cpuMs).toBeLessThan(metering.wallMs);
    const never = () => new Promise<never>(() => undefined);
    expect(await outcome(calling(1), { ...host(never), timeoutMs: 300 })).toEqual({ end: 'timed_out', afterMs: 300 });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    expect(await outcome(calling(1), { ...host(never), signal: abort.signal })).toEqual({ end: 'cancelled' });
    expect(await outcome(calling(1), host(numbered))).toMatchObject({ end: 'completed' });
  });

  it('are refused by the sandbox itself in a run that may make none', async () => {
    const { outcome: refused } = await run(calling(1));
    expect((refused as { output: string }).output).toContain('NOT_PERMITTED');
  });
});

describe('the processor time of a run', () => {
  it('covers compiling', async () => {
    const declarations = `(func ${'(drop (i64.mul (i64.const 3) (i64.const 5)))'.repeat(20_000)})`.repeat(60);
    const large = agent('(call $ok)', { declarations });
    const [first, later] = [await run(large), await run(large)];
    expect([first.outcome, later.outcome]).toEqual([OK, OK]);
    // Some thirty milliseconds and less than one: how busy the machine is makes no such difference.
    expect(first.metering.cpuMs).toBeGreaterThan(5 * later.metering.cpuMs);
  });
});

describe('a hostile or broken agent', () => {
  it.each([
    ['unreachable', '(unreachable)', ''],
    ['integer_divide_by_zero', '(drop (i32.rem_u (i32.const 1) (i32.const 0)))', ''],
    ['integer_overflow', '(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))', ''],
    ['invalid_conversion_to_integer', '(drop (i32.trunc_f64_s (f64.const nan)))', ''],
    ['out_of_bounds_memory', '(drop (i32.load (i32.const -4)))', ''],
    ['out_of_bounds_memory', '', '(data (i32.const 131071) "ab")'],
    ['out_of_bounds_table', '(call_indirect (i32.const 9))', '(table 1 funcref)'],
    ['indirect_call_mismatch', '(call_indirect (i32.const 0))', '(table 1 funcref)'],
    ['stack_overflow', '(call $deep)', '(func $deep (call $deep) (call $deep))'],
    ['uncaught_exception', '(throw $e)', '(tag $e)'],
    ['unreachable', '', '(func $boot unreachable) (start $boot)'],
  ])('that traps is told its trap: %s', async (trap, body, declarations) => {
    expect(await outcome(agent(body, { declarations }))).toMatchObject({ end: 'trapped', trap });
  });

  it('that traps is told its function, in a text that any database keeps', async () => {
    const name = `${'x'.repeat(299)}😀`;
    const text = `(module (memory (export "memory") 1) (func $${'y'.repeat(303)} (export "_start") unreachable))`;
    const module = Buffer.from(wabt.parseWat('x.wat', text).toBinary({ write_debug_names: true }).buffer);
    module.write(name, module.indexOf('y'.repeat(303)));
    const trapped = await outcome(stored(module));
    expect(trapped).toMatchObject({ end: 'trapped', function: `${'x'.repeat(299)}\u{fffd}` });
  });

  it('that imports a host function with a wrong signature fails when it calls it', async () => {
    const imports = '(import "wasi_snapshot_preview1" "fd_tell" (func $forged (param i64) (result i64)))';
    const binary = agent('(drop (call $forged (i64.const 1)))', { imports });
    expect(await outcome(binary)).toMatchObject({ end: 'trapped', trap: 'bad_host_call' });
  });

  it.each([
    ['loops', FOREVER, ''],
    ['loops in its start function', '', `(func $boot ${FOREVER}) (start $boot)`],
    ['calls its own tail', '(return_call $tail)', '(func $tail (return_call $tail))'],
    [
      'fills all its memory again and again',
      '(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (br 0))',
      '',
    ],
    [
      'sleeps',
      '(i64.store (i32.const 224) (i64.const -1)) (drop (call $poll_oneoff (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 8)))' +
        FOREVER,
      '',
    ],
    ['catches its own exit', '(loop (try (do (call $proc_exit (i32.const 1))) (catch_all)) (br 0))', ''],
    ['floods standard error', '(loop (call $write (i32.const 2) (i32.const 0) (i32.const 131072)) (br 0))', ''],
  ])('that %s for ever is killed at its deadline', async (_, body, declarations) => {
    const { outcome, metering } = await run(agent(body, { declarations }), { timeoutMs: 300 });
    expect(outcome).toEqual({ end: 'timed_out', afterMs: 300 });
    expect(metering.wallMs).toBeGreaterThanOrEqual(250); // not long before it
    expect(await run(good)).toMatchObject({ outcome: OK });
  });

  it('that exits with another code than 0 is told it, with the end of its standard error', async () => {
    const binary = agent('(call $write (i32.const 2) (i32.const 16) (i32.const 11)) (call $proc_exit (i32.const -1))');
    expect(await outcome(binary)).toEqual({ end: 'exited', code: 4_294_967_295, stderrTail: '{"ok":true}' });
  });

  it('that floods standard output is stopped at the limit', async () => {
    const flood = agent('(loop (call $write (i32.const 1) (i32.const 0) (i32.const 60000)) (br 0))');
    const report = await run(flood);
    expect(report.outcome).toEqual({ end: 'output_too_large', limitBytes: 100_000 });
    expect(report.metering.bytesOut).toBe(60_000);
  });

  it('cannot grow its memory or its table beyond the caps', async () => {
    const greedy = agent(
      `(loop $memory (br_if $memory (i32.ne (memory.grow (i32.const 64)) (i32.const -1))))
       (loop $table (br_if $table (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (call $ok)`,
      { declarations: '(table $t 1 funcref)' },
    );
    const report = await run(greedy);
    expect(report.outcome).toEqual(OK);
    expect(report.metering.peakMemoryBytes).toBeLessThanOrEqual(2048 * 65536);
  });

  it('that brings a thousand tables meets the memory limit of the process', async () => {
    const bomb = agent('(call $ok)', { declarations: '(table 99999 funcref)'.repeat(1000) });
    expect(await outcome(bomb)).toEqual({ end: 'out_of_memory', limitBytes: 2048 * 65536 });
    expect(await outcome(good)).toEqual(OK);
  });

  it.each([
    ['no output', '', 'there is no output'],
    ['no JSON', '(call $write (i32.const 1) (i32.const 16) (i32.const 5))', 'not JSON'],
    [
      'no text',
      '(i32.store8 (i32.const 99) (i32.const 255)) (call $write (i32.const 1) (i32.const 99) (i32.const 1))',
      'not UTF-8',
    ],
  ])('that writes %s is told so', async (_, body, reason) => {
    expect(await outcome(agent(body))).toEqual({ end: 'invalid_output', reason: expect.stringContaining(reason) });
  });
});

describe('a binary that cannot be an agent', () => {
  const wat = (text: string) => stored(wabt.parseWat('x.wat', text, { threads: true }).toBinary({}).buffer);

  it.each([
    ['garbage', stored(Buffer.from('no wasm')), 'expected magic word'],
    ['a cut-off module', stored(blobs.get(good.ref)!.subarray(0, 60)), 'extends past end'],
    ['a module without _start', wat('(module (memory (export "memory") 1))'), '`_start`'],
    ['a module without memory', wat('(module (func (export "_start")))'), '`memory`'],
    ['a function called memory', wat('(module (func (export "memory")) (func (export "_start")))'), '`memory`'],
    [
      'a _start with parameters',
      wat('(module (memory (export "memory") 1) (func (export "_start") (param i32)))'),
      'parameters',
    ],
    ['shared memory', wat('(module (memory (export "memory") 1 2 shared) (func (export "_start")))'), 'shared'],
    ['a foreign function', agent('', { imports: '(import "env" "system" (func))' }), 'system'],
    ['a function of the host language', agent('', { imports: '(import "env" "constructor" (func))' }), 'constructor'],
  ])('is refused with the reason: %s', async (_, binary, reason) => {
    expect(await outcome(binary)).toEqual({ end: 'refused', reason: expect.stringContaining(reason) });
  });
});

describe('an agent that was refused memory', () => {
  const refused = '(drop (memory.grow (i32.const 4000)))';

  it.each([
    ['exits', '(call $proc_exit (i32.const 1))'],
    ['traps', '(drop (i32.load (i32.const -4)))'],
  ])('and then %s is out of memory, with what it had and asked for', async (_, end) => {
    expect(await outcome(agent(`${refused} ${end}`))).toEqual({
      end: 'out_of_memory',
      limitBytes: 2048 * 65536,
      hadBytes: 2 * 65536,
      askedBytes: 4000 * 65536,
    });
  });

  it('and manages without is not', async () => {
    expect(await outcome(agent(`${refused} (call $ok)`))).toEqual(OK);
    expect(await outcome(agent(`${refused} (call $proc_exit (i32.const 65))`))).toMatchObject({ end: 'input_refused' });
  });
});

describe('the stack that C keeps in linear memory', () => {
  /** The stack pointer begins at 8192, above data that ends at 2048. */
  const withStack = (pointer: number) =>
    outcome(
      agent(`(global.set $sp (i32.const ${pointer})) unreachable`, {
        declarations: '(global $sp (mut i32) (i32.const 8192)) (data (i32.const 2044) "data")',
      }),
    );

  it('has overflowed when its pointer is below its end at a trap', async () => {
    expect(await withStack(2047)).toMatchObject({ end: 'trapped', trap: 'linear_stack_overflow' });
    expect(await withStack(-16)).toMatchObject({ end: 'trapped', trap: 'linear_stack_overflow' });
    expect(await withStack(2048)).toMatchObject({ end: 'trapped', trap: 'unreachable' });
  });
});

describe('a limit of one run', () => {
  const growTo = (pages: number) =>
    `(if (i32.eq (memory.grow (i32.const ${pages - 2})) (i32.const -1)) (then unreachable)) (call $ok)`;

  it('on memory is exact, and holds for that run alone', async () => {
    const binary = agent(growTo(20));
    expect(await outcome(binary, { limits: { maxMemoryPages: 20 } })).toEqual(OK);
    expect(await outcome(binary, { limits: { maxMemoryPages: 19 } })).toEqual({
      end: 'out_of_memory',
      limitBytes: 19 * 65536,
      hadBytes: 2 * 65536,
      askedBytes: 18 * 65536,
    });
    expect(await outcome(binary)).toEqual(OK);
    const greedy = agent('(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable');
    const limited = await run(greedy, { limits: { maxMemoryPages: 19 } });
    expect(limited.outcome).toMatchObject({ end: 'out_of_memory', hadBytes: 19 * 65536, askedBytes: 65536 });
    expect(limited.metering.peakMemoryBytes).toBe(19 * 65536);
  });

  it('on memory cannot be looser than the server’s', async () => {
    expect(await outcome(agent(growTo(2048)), { limits: { maxMemoryPages: 4096 } })).toEqual(OK);
    expect(await outcome(agent(growTo(2049)), { limits: { maxMemoryPages: 4096 } })).toMatchObject({
      end: 'out_of_memory',
    });
  });

  it('on memory is also one on what a module starts with', async () => {
    expect(await outcome(agent('(call $ok)', { pages: '2049' }))).toEqual({
      end: 'out_of_memory',
      limitBytes: 2048 * 65536,
    });
    expect(await outcome(good, { limits: { maxMemoryPages: 1 } })).toEqual({ end: 'out_of_memory', limitBytes: 65536 });
  });

  it('on memory does not outlive that run in code that is compiled after it', async () => {
    const binary = agent(
      `(if (i32.eq (memory.grow (i32.const 30)) (i32.const -1)) (then unreachable))
       (drop (i32.load offset=0x180000 (i32.const 0))) (call $ok)`,
      { declarations: '(table 2 funcref) (elem (i32.const 0) $ok $ok)' },
    );
    expect(await outcome(binary)).toEqual(OK);
    expect(await outcome(binary, { limits: { maxMemoryPages: 16 } })).toMatchObject({
      end: 'out_of_memory',
    });
    // So large an input has the process collect garbage: what was compiled before cannot be found again.
    const input = JSON.stringify('x'.repeat(17e6));
    expect(await outcome(binary, { input, limits: { maxTableElements: 1 } })).toMatchObject({ end: 'table_too_large' });
    expect(await outcome(binary)).toEqual(OK);
  });

  it('on processor time ends who computes, and spares who sleeps', async () => {
    const report = await run(agent(FOREVER), { limits: { maxCpuMs: 150 } });
    expect(report.outcome).toEqual({ end: 'cpu_exhausted', limitMs: 150 });
    expect(report.metering.cpuMs).toBeGreaterThanOrEqual(150);
    const sleeper = agent(
      `(i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 600000000))
       (drop (call $poll_oneoff (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 8))) (call $ok)`,
    );
    expect(await outcome(sleeper, { limits: { maxCpuMs: 400 } })).toEqual(OK);
  });

  it('on tables is exact, and holds for that run alone', async () => {
    const growBy = (elements: number) =>
      `(if (i32.eq (table.grow $t (ref.null func) (i32.const ${elements})) (i32.const -1)) (then unreachable)) (call $ok)`;
    const binary = agent(growBy(40), { declarations: '(table $t (export "t") 10 funcref)' });
    expect(await outcome(binary, { limits: { maxTableElements: 50 } })).toEqual(OK);
    expect(await outcome(binary, { limits: { maxTableElements: 49 } })).toMatchObject({ end: 'trapped' });
    expect(await outcome(binary, { limits: { maxTableElements: 9 } })).toEqual({
      end: 'table_too_large',
      limitElements: 9,
    });
    expect(await outcome(binary)).toEqual(OK);
    const beyond = agent(growBy(99_991), { declarations: '(table $t 10 funcref)' });
    expect(await outcome(beyond, { limits: { maxTableElements: 1_000_000 } })).toMatchObject({ end: 'trapped' });
  });

  it('on tables is told where the agent gave up with one at its limit', async () => {
    const greedy = (declaration: string) =>
      agent(
        `(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1))))
         (call $proc_exit (i32.const 1))`,
        { declarations: declaration },
      );
    const limits = { maxTableElements: 100 };
    const exported = greedy('(table $t (export "t") 1 funcref)');
    expect(await outcome(exported, { limits })).toEqual({ end: 'table_too_large', limitElements: 100 });
    expect(await outcome(greedy('(table $t 1 funcref)'), { limits })).toMatchObject({ end: 'exited', code: 1 });
    const full = agent('unreachable', { declarations: '(table (export "t") 100 funcref)' });
    expect(await outcome(full, { limits })).toMatchObject({ end: 'trapped', trap: 'unreachable' });
  });

  it('on tables is also one on what a module starts with', async () => {
    const large = agent('(call $ok)', { declarations: '(table 100001 funcref)' });
    expect(await outcome(large)).toEqual({ end: 'table_too_large', limitElements: 100_000 });
    const filled = agent('(call $ok)', { declarations: '(table 2 funcref) (elem (i32.const 0) $ok $ok)' });
    const limits = { maxTableElements: 1 };
    expect(await outcome(filled, { limits })).toEqual({ end: 'table_too_large', limitElements: 1 });
  });

  it('on the stack holds for that run alone, and leaves the host enough to work with', async () => {
    const binary = agent('(call $down (i32.const 9000))', {
      declarations: `(func $down (param $left i32)
        (if (local.get $left) (then (call $down (i32.sub (local.get $left) (i32.const 1)))) (else (call $ok)))
        (global.set $back (i32.add (global.get $back) (i32.const 1))))
        (global $back (mut i32) (i32.const 0))`,
    });
    const overflow = { end: 'trapped', trap: 'stack_overflow' };
    for (let round = 0; round < 3; round++) {
      expect(await outcome(binary, { limits: { stackKb: 128 } })).toMatchObject(overflow);
      expect(await outcome(binary, { limits: { stackKb: 900 } })).toEqual(OK);
      expect(await outcome(binary)).toEqual(OK);
    }
    expect(await outcome(good, { limits: { stackKb: 8 } })).toMatchObject(overflow);
    expect(await outcome(good, { limits: { stackKb: 128 } })).toEqual(OK);
    const endless = agent('(call $deep)', { declarations: '(func $deep (call $deep) (call $deep))' });
    expect(await outcome(endless, { limits: { stackKb: 1_000_000 } })).toMatchObject(overflow);
  });

  it('on output is told to the byte', async () => {
    expect(await outcome(good, { limits: { maxOutputBytes: 11 } })).toEqual(OK);
    expect(await outcome(good, { limits: { maxOutputBytes: 10 } })).toEqual({
      end: 'output_too_large',
      limitBytes: 10,
    });
  });

  it('on standard error keeps fewer lines', async () => {
    const lines: string[] = [];
    const binary = agent('(call $write (i32.const 2) (i32.const 100) (i32.const 6)) (call $ok)', {
      declarations: String.raw`(data (i32.const 100) "a\nb\nc\n")`,
    });
    const more = { onLog: (line: string) => void lines.push(line), limits: { maxStderrLines: 2 } };
    expect(await outcome(binary, more)).toEqual(OK);
    expect(lines).toEqual(['a', 'b']);
  });
});

describe('a trap', () => {
  it('is told with the function it happened in, by the name section, however that is written', async () => {
    const named = (name: string) =>
      stored(
        wabt
          .parseWat(
            'x.wat',
            `(module (memory (export "memory") 1) (func $${name} unreachable) (func (export "_start") (call $${name})))`,
          )
          .toBinary({ write_debug_names: true }).buffer,
      );
    const trap = { end: 'trapped', trap: 'unreachable', stderrTail: '' };
    expect(await outcome(named('parse_header'))).toEqual({ ...trap, function: 'parse_header' });
    expect(await outcome(named('at<wasm://forged:1>'))).toEqual({ ...trap, function: 'at<wasm://forged:1>' });
    expect(await outcome(agent('unreachable'))).toEqual(trap);
  });
});

describe('between two runs of one version', () => {
  it('no environment, unread input or random state is handed on', async () => {
    const spy = agent(
      `(drop (call $environ_sizes_get (i32.const 200) (i32.const 204)))
       (call $say (i32.load (i32.const 200)))
       (i32.store (i32.const 0) (i32.const 208)) (i32.store (i32.const 4) (i32.const 1))
       (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
       (call $say (i32.load8_u (i32.const 208)))
       (drop (call $random_get (i32.const 212) (i32.const 4)))
       (call $say (i32.load (i32.const 212)))
       (call $ok)`,
      {
        imports: `(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))`,
        // A number as a line on standard error.
        declarations: `(func $say (param $number i32) (local $at i32)
          (i32.store8 (local.tee $at (i32.const 399)) (i32.const 10))
          (loop $digits
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
            (br_if $digits (local.tee $number (i32.div_u (local.get $number) (i32.const 10)))))
          (call $write (i32.const 2) (local.get $at) (i32.sub (i32.const 400) (local.get $at))))`,
      },
    );
    const see = async (more: Partial<RunRequest>): Promise<string[]> => {
      const said: string[] = [];
      expect(await outcome(spy, { ...more, onLog: (line) => said.push(line) })).toEqual(OK);
      return said;
    };
    const first = await see({ environment: { ZEROSTATE_SECRET: 'x' }, input: '["unread"]' });
    const second = await see({ input: '{}' });
    expect(first.slice(0, 2)).toEqual(['1', String('['.charCodeAt(0))]);
    expect(second.slice(0, 2)).toEqual(['0', String('{'.charCodeAt(0))]);
    expect(first[2]).not.toBe(second[2]);
  });

  it('nothing is handed on: memory, globals, descriptors and input start anew', async () => {
    const counter = agent(
      `(global.set $runs (i32.add (global.get $runs) (i32.const 1)))
       (i32.store8 (i32.const 100) (i32.add (i32.const 48) (i32.add (global.get $runs) (i32.load (i32.const 60000)))))
       (i32.store (i32.const 60000) (i32.const 5))
       (drop (memory.grow (i32.const 10)))
       (call $write (i32.const 1) (i32.const 100) (i32.const 1))
       (drop (call $fd_close (i32.const 1)))`,
      {
        imports: '(import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))',
        declarations: '(global $runs (mut i32) (i32.const 0))',
      },
    );
    for (let count = 0; count < 5; count++) {
      const report = await run(counter);
      expect(report.outcome).toEqual({ end: 'completed', output: '1' });
      expect(report.metering.peakMemoryBytes).toBe(12 * 65536);
    }
  });
});

describe('a run', () => {
  it('is cancelled while it runs, while it waits, and before it begins', async () => {
    const loop = agent(FOREVER);
    const running = new AbortController();
    const report = outcome(loop, { signal: running.signal, onStart: () => void setTimeout(() => running.abort(), 50) });
    expect(await report).toEqual({ end: 'cancelled' });

    const blockers = new AbortController();
    let blocked: Promise<unknown>[] = [];
    const begun = Array.from(
      { length: environment.sandbox.slots },
      () =>
        new Promise<void>((resolve) => {
          blocked = [...blocked, outcome(loop, { signal: blockers.signal, onStart: () => resolve() })];
        }),
    );
    await Promise.all(begun);
    const waiting = new AbortController();
    let started = false;
    const waiter = outcome(good, { signal: waiting.signal, onStart: () => void (started = true) });
    setTimeout(() => waiting.abort(), 50);
    expect(await waiter).toEqual({ end: 'cancelled' });
    expect(started).toBe(false);
    blockers.abort();
    expect(await Promise.all(blocked)).toEqual(blocked.map(() => ({ end: 'cancelled' })));

    expect(await outcome(good, { signal: AbortSignal.abort() })).toEqual({ end: 'cancelled' });
    expect(await outcome(good)).toEqual(OK);
  });

  it('is cancelled while its binary is fetched, however long the store takes', async () => {
    const binary = { sha256: '1'.repeat(64), ref: UNANSWERED };
    const abort = new AbortController();
    const fetching = outcome(binary, { signal: abort.signal });
    const sharing = outcome(binary, { signal: abort.signal });
    abort.abort();
    expect(await Promise.all([fetching, sharing])).toEqual([{ end: 'cancelled' }, { end: 'cancelled' }]);
  });

  it('takes no longer than the server allows now, whatever it was promised before', async () => {
    const strict = parseEnvironment({ TASK_TIMEOUT_MS: '200', MAX_TASK_TIMEOUT_MS: '200' });
    const server = new SandboxService(store, strict.sandbox, strict.tasks);
    await server.onModuleInit();
    try {
      const { outcome } = await server.run({ binary: agent(FOREVER), input: '{}', timeoutMs: 20_000 });
      expect(outcome).toEqual({ end: 'timed_out', afterMs: 200 });
    } finally {
      await server.onApplicationShutdown();
    }
  });

  it('that is cancelled while its input is fetched never announces its start', async () => {
    const abort = new AbortController();
    let release!: (bytes: Uint8Array) => void;
    const fetched = new Promise<Uint8Array>((resolve) => (release = resolve));
    let announced = false;
    const input = (): Promise<Uint8Array> => {
      abort.abort();
      return fetched;
    };
    const more = { input, signal: abort.signal, onStart: () => void (announced = true) };
    expect(await outcome(good, more)).toEqual({ end: 'cancelled' });
    release(Buffer.from('{}'));
    await fetched;
    await new Promise((resolve) => setImmediate(resolve));
    expect(announced).toBe(false);
  });

  it('does not begin when its start cannot be announced, and gives its slot back', async () => {
    for (let index = 0; index < 2 * environment.sandbox.slots; index++) {
      await expect(run(good, { onStart: () => Promise.reject(new Error('no')) })).rejects.toThrow('no');
    }
    expect(await outcome(good)).toEqual(OK);
  });

  it('shows the agent only environment variables of its own kind', async () => {
    await expect(run(good, { environment: { PATH: '/bin' } })).rejects.toMatchObject({ code: 'BAD_AGENT_ENVIRONMENT' });
    expect(await outcome(good, { environment: { ZEROSTATE_TASK_ID: '1' } })).toEqual(OK);
  });

  it('never uses bytes that are not what the version was', async () => {
    const { ref } = agent(FOREVER);
    const sha256 = '0'.repeat(64);
    await expect(run({ sha256, ref })).rejects.toMatchObject({ kind: 'internal', code: 'BLOB_CORRUPT' });
  });
});
