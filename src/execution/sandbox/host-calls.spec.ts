import { describe, expect, it } from '@jest/globals';
import loadWabt from 'wabt';
import { HOST_FUNCTIONS } from '../../common/host-functions.js';
import { runAgent } from './agent-run.js';
import { HostCalls } from './host-calls.js';
import { compileObserved } from './observation.js';

const wabt = await loadWabt();

const IMPORTS = Object.entries(HOST_FUNCTIONS)
  .flatMap(([module, functions]) =>
    Object.entries(functions).map(([name, { params, results }]) => {
      const type = `(param ${params.join(' ')}) (result ${results.join(' ')})`.replace(/\((param|result) \)/g, '');
      return `(import "${module}" "${name}" (func $${module === 'zerostate' ? 'host_' : ''}${name} ${type}))`;
    }),
  )
  .join('\n');

const LIMITS = { methods: ['kv.get', 'http.fetch'], maxCalls: 3, maxRequestBytes: 64 };

/**
 * Runs `body` as `_start` with a host that answers what it was asked. At 2000 stands the text `data`; `$print` writes an
 * answer of `$length` bytes from 4096 as output, `$number` a number.
 */
function run(body: string, data: string, limits: typeof LIMITS | null = LIMITS) {
  const asked: string[] = [];
  const calls =
    limits &&
    new HostCalls(limits, (n, name, request) => {
      asked.push(`${n} ${name} ${Buffer.from(request).toString()}`);
      return Buffer.from(JSON.stringify({ n, name }));
    });
  const text = `(module ${IMPORTS}
    (memory (export "memory") 2)
    (data (i32.const 2000) "${data.replaceAll('"', '\\"')}")
    (func $io (param $at i32) (param $length i32)
      (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $length)))
    (func $print (param $length i32)
      (call $io (i32.const 4096) (local.get $length))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "_start") (local $fd i32) ${body}))`;
  const { outcome, output } = runAgent({
    observation: compileObserved(wabt.parseWat('agent.wat', text).toBinary({}).buffer),
    input: new Uint8Array(0),
    environment: {},
    timeoutMs: 10_000,
    limits: {
      maxMemoryPages: 2048,
      maxTableElements: 1000,
      stackKb: 984,
      maxCpuMs: 10_000,
      maxOutputBytes: 1000,
      maxStderrBytes: 1000,
      maxStderrLines: 10,
      clockResolutionUs: 1000,
    },
    withheldStackKb: 0,
    calls: calls ?? undefined,
    onLog: () => undefined,
  });
  return { outcome, answer: output && (JSON.parse(Buffer.from(output).toString()) as unknown), asked };
}

/** Exits with 1000 and the number. */
const exitCode = (body: string, data = '', limits?: typeof LIMITS | null): number => {
  const { outcome } = run(`(call $proc_exit (i32.add (i32.const 1000) ${body}))`, data, limits);
  return outcome.end === 'exited' ? outcome.code - 1000 : NaN;
};

const call = (name: number, request = 2) =>
  `(call $host_call (i32.const 2000) (i32.const ${name}) (i32.const ${2000 + name}) (i32.const ${request}))`;
const callAndPrint = (name: number, request?: number) =>
  `(call $print (call $host_read (i32.const 4096) ${call(name, request)}))`;
const error = (code: string) => ({ error: { code, message: expect.any(String) } });

describe('the import face of host calls', () => {
  it('hands over name and request, and the answer in pieces', () => {
    const { answer, asked } = run(
      `(drop ${call(6)})
       (drop (call $host_read (i32.const 4096) (i32.const 5)))
       (call $print (i32.add (i32.const 5) (call $host_read (i32.const 4101) (i32.const 1000))))`,
      'kv.get{}',
    );
    expect(asked).toEqual(['0 kv.get {}']);
    expect(answer).toEqual({ n: 0, name: 'kv.get' });
  });

  it('answers with an error that the agent reads: to methods that are not granted, without asking the server', () => {
    for (const limits of [LIMITS, null]) {
      const { answer, asked } = run(callAndPrint(6), 'kv.put{}', limits);
      expect(answer).toEqual(error('NOT_PERMITTED'));
      expect(asked).toEqual([]);
    }
  });

  it('answers with an error to calls beyond the limit of an attempt', () => {
    const { answer, asked } = run(`(drop ${call(6)})`.repeat(100) + callAndPrint(6), 'kv.get{}');
    expect(answer).toEqual(error('TOO_MANY_CALLS'));
    expect(asked.length).toBe(3);
  });

  it('answers with an error to a request that is too large', () => {
    const { answer, asked } = run(callAndPrint(6, 65), 'kv.get{}');
    expect(answer).toEqual(error('REQUEST_TOO_LARGE'));
    expect(asked).toEqual([]);
  });

  it('answers a negative errno to pointers outside the memory', () => {
    const bad = '(call $host_call (i32.const 131070) (i32.const 6) (i32.const 0) (i32.const 1))';
    expect(exitCode(bad)).toBe(-21);
    expect(exitCode('(call $host_read (i32.const -1) (i32.const 6))')).toBe(-21);
  });

  it('reads nothing before the first call and after the end of an answer', () => {
    expect(exitCode('(call $host_read (i32.const 4096) (i32.const 10))')).toBe(0);
    const twice = `(drop (call $host_read (i32.const 4096) ${call(6)})) (drop (call $host_read (i32.const 4096) (i32.const 9)))`;
    const { outcome } = run(
      `${twice} (call $proc_exit (i32.add (i32.const 1000) (call $host_read (i32.const 4096) (i32.const 9))))`,
      'kv.get{}',
    );
    expect(outcome).toMatchObject({ end: 'exited', code: 1000 });
  });
});

const open = (length: number) =>
  `(call $path_open (i32.const 3) (i32.const 0) (i32.const 2000) (i32.const ${length}) (i32.const 0)
     (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 16))`;

describe('the file face of host calls', () => {
  it('is one call for each opening: write the request, read the answer to its end, close', () => {
    const { answer, asked } = run(
      `(drop ${open(10)}) (local.set $fd (i32.load (i32.const 16)))
       (call $io (i32.const 2010) (i32.const 4)) (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
       (call $io (i32.const 2014) (i32.const 3)) (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
       (call $io (i32.const 4096) (i32.const 1000)) (drop (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
       (drop (call $fd_close (local.get $fd)))
       (call $print (i32.load (i32.const 8)))`,
      'http.fetch{"a":1}',
    );
    expect(asked).toEqual(['0 http.fetch {"a":1}']);
    expect(answer).toEqual({ n: 0, name: 'http.fetch' });
  });

  it('shows the directory to C libraries, with the granted methods alone', () => {
    expect(exitCode('(call $fd_prestat_get (i32.const 3) (i32.const 16))')).toBe(0);
    expect(exitCode('(call $fd_prestat_get (i32.const 4) (i32.const 16))')).toBe(8);
    expect(exitCode(open(6), 'kv.put')).toBe(44);
    expect(exitCode(open(9), '../kv.get')).toBe(44);
    expect(exitCode(open(6), 'kv.get')).toBe(0);
  });

  it('is not there for an agent that may call nothing', () => {
    expect(exitCode('(call $fd_prestat_get (i32.const 3) (i32.const 16))', '', null)).toBe(8);
    expect(exitCode(open(6), 'kv.get', null)).toBe(8);
  });

  it('bounds the calls that are open, and refuses to write after the answer was read', () => {
    expect(
      exitCode(`${`(drop ${open(6)})`.repeat(16)} ${open(6)}`.replace(/^/, '(block (result i32) ') + ')', 'kv.get'),
    ).toBe(33);
    const late = `(block (result i32) (drop ${open(6)}) (call $io (i32.const 4096) (i32.const 9))
      (drop (call $fd_read (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $fd_write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8)))`;
    expect(exitCode(late, 'kv.get')).toBe(28);
  });

  it('keeps the standard streams as they are', () => {
    expect(exitCode('(call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 16))')).toBe(70);
    expect(exitCode('(call $fd_write (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 8))')).toBe(31);
  });
});
