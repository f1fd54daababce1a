import { describe, expect, it } from '@jest/globals';
import loadWabt from 'wabt';
import { HOST_FUNCTIONS } from '../../common/host-functions.js';
import { runAgent, type AgentRun } from './agent-run.js';
import { engine } from './engine.js';
import { ERRNO } from './errno.js';

const wabt = await loadWabt();

const WASI = 'wasi_snapshot_preview1';

/** An import line for every function of the host, each named as it is imported. */
const IMPORTS = Object.entries(HOST_FUNCTIONS)
  .flatMap(([module, functions]) =>
    Object.entries(functions).map(([name, { params, results }]) => {
      const type = `(param ${params.join(' ')}) (result ${results.join(' ')})`.replace(/\((param|result) \)/g, '');
      return `(import "${module}" "${name}" (func $${name} ${type}))`;
    }),
  )
  .join('\n');

/** Runs `body` as `_start`. Cells of memory for results: 0–1023; `(call $print (i32))` writes a number as output. */
function start(body: string, overrides: Partial<AgentRun> = {}, declarations = '') {
  const text = `(module ${IMPORTS}
    (memory (export "memory") 2)
    ${declarations}
    (func $write (param $fd i32) (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 1024) (local.get $at))
      (i32.store (i32.const 1028) (local.get $length))
      (call $fd_write (local.get $fd) (i32.const 1024) (i32.const 1) (i32.const 1032)))
    (func $print (param $number i32) (local $at i32)
      (local.set $at (i32.const 1100))
      (loop $digits
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
        (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
        (br_if $digits (local.get $number)))
      (drop (call $write (i32.const 1) (local.get $at) (i32.sub (i32.const 1100) (local.get $at)))))
    (func (export "_start") ${body}))`;
  const lines: string[] = [];
  const result = runAgent({
    module: new engine.Module(wabt.parseWat('agent.wat', text, { exceptions: true }).toBinary({}).buffer),
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
    outputAs: 'text',
    onLog: (more) => lines.push(...more),
    ...overrides,
  });
  return { ...result, output: result.output && Buffer.from(result.output).toString(), lines };
}

const printed = (body: string, overrides?: Partial<AgentRun>): string | undefined => {
  const { outcome, output } = start(body, overrides);
  expect(outcome).toEqual({ end: 'completed' });
  return output;
};

describe('the WASI host', () => {
  it('links every function of the shared table with the signature it has there', () => {
    const calls = Object.entries(HOST_FUNCTIONS[WASI])
      .filter(([name]) => name !== 'proc_exit')
      .map(([name, { params }]) => `(drop (call $${name} ${params.map((type) => `(${type}.const 0)`).join(' ')}))`);
    expect(printed(`${calls.join('\n')} (call $print (i32.const 7))`)).toBe('7');
  });

  it('hands over the input in pieces and then its end', () => {
    const read = `(i32.store (i32.const 0) (i32.const 200)) (i32.store (i32.const 4) (i32.const 4))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (drop (call $write (i32.const 1) (i32.const 200) (i32.load (i32.const 8))))`;
    expect(printed(read.repeat(5), { input: Buffer.from('[1,"abcde"]') })).toBe('[1,"abcde"]');
  });

  it('shows the environment it was given and the arguments of a command', () => {
    const environment = { ZEROSTATE_TASK: '42' };
    const count = '(drop (call $environ_sizes_get (i32.const 0) (i32.const 4))) (call $print (i32.load (i32.const 4)))';
    expect(printed(count, { environment })).toBe(String('ZEROSTATE_TASK=42\0'.length));
    const value = `(drop (call $environ_get (i32.const 0) (i32.const 16)))
      (drop (call $write (i32.const 1) (i32.add (i32.load (i32.const 0)) (i32.const 15)) (i32.const 2)))`;
    expect(printed(value, { environment })).toBe('42');
    const args = '(drop (call $args_sizes_get (i32.const 0) (i32.const 4))) (call $print (i32.load (i32.const 0)))';
    expect(printed(args)).toBe('1');
  });

  it.each([
    ['opens no files', '(call $path_open (i32.const 3)', 'iiiiIIii', ERRNO.badf],
    ['has no preopened folders', '(call $fd_prestat_get (i32.const 3)', 'i', ERRNO.badf],
    ['seeks in no pipe', '(call $fd_seek (i32.const 1)', 'Iii', ERRNO.spipe],
    ['takes a stream for no socket', '(call $sock_send (i32.const 1)', 'iiii', ERRNO.notsock],
    ['writes to no standard input', '(call $fd_write (i32.const 0)', 'iii', ERRNO.notcapable],
    ['raises no signals', '(call $proc_raise (i32.const 9)', '', ERRNO.nosys],
    ['lends no rights', '(call $fd_fdstat_set_rights (i32.const 1) (i64.const 0) (i64.const 1)', '', ERRNO.notcapable],
    ['knows no fifth clock', '(call $clock_time_get (i32.const 4)', 'Ii', ERRNO.inval],
  ])('%s', (_, call, more, errno) => {
    const zeros = [...more].map((letter) => `(${letter === 'I' ? 'i64' : 'i32'}.const 0)`).join(' ');
    expect(printed(`(call $print ${call} ${zeros}))`)).toBe(String(errno));
  });

  it.each([
    ['an address', '(call $write (i32.const 1) (i32.const -8) (i32.const 4))', ERRNO.fault],
    ['a length', '(call $write (i32.const 1) (i32.const 131070) (i32.const 3))', ERRNO.fault],
    ['a result', '(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 131065))', ERRNO.fault],
    [
      'a million buffers',
      '(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 8))',
      ERRNO.inval,
    ],
    ['huge polls', '(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 8))', ERRNO.inval],
  ])('answers an error to %s beyond memory or measure', (_, call, errno) => {
    expect(printed(`(call $print ${call})`)).toBe(String(errno));
  });

  it('sees memory that has grown between two calls', () => {
    const body = `(drop (call $random_get (i32.const 0) (i32.const 8)))
      (drop (memory.grow (i32.const 1)))
      (call $print (call $random_get (i32.const 131072) (i32.const 65536)))`;
    expect(printed(body)).toBe('0');
  });

  it('wakes a sleeper at the deadline, however long it wants to sleep', () => {
    const body = `(i64.store (i32.const 24) (i64.const -1))
      (drop (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (call $print (i32.load (i32.const 200)))`;
    expect(printed(body, { timeoutMs: 50 })).toBe('1');
  });

  it('polls the streams as ready and unknown descriptors as errors', () => {
    const body = `(i32.store8 (i32.const 8) (i32.const 1))
      (i32.store8 (i32.const 56) (i32.const 2)) (i32.store (i32.const 64) (i32.const 9))
      (drop (call $poll_oneoff (i32.const 0) (i32.const 200) (i32.const 2) (i32.const 300)))
      (call $print (i32.add (i32.mul (i32.load (i32.const 300)) (i32.const 100)) (i32.load16_u (i32.const 240))))`;
    expect(printed(body)).toBe(String(2 * 100 + ERRNO.badf));
  });

  it('polls the input with what is left of it, and no stream the other way round', () => {
    const body = `(i32.store8 (i32.const 8) (i32.const 1))
      (i32.store8 (i32.const 56) (i32.const 1)) (i32.store (i32.const 64) (i32.const 1))
      (drop (call $poll_oneoff (i32.const 0) (i32.const 200) (i32.const 2) (i32.const 300)))
      (call $print (i32.add (i32.mul (i32.load (i32.const 216)) (i32.const 100)) (i32.load16_u (i32.const 240))))`;
    expect(printed(body, { input: Buffer.from('12345') })).toBe(String(5 * 100 + ERRNO.notcapable));
  });

  it('waits for no clock that stands still in a wait', () => {
    const body = `(i32.store (i32.const 16) (i32.const 2)) (i64.store (i32.const 24) (i64.const -1))
      (drop (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (call $print (i32.load16_u (i32.const 108)))`;
    expect(printed(body)).toBe(String(ERRNO.notsup));
  });

  it('shows clocks no finer than configured', () => {
    const limits = {
      maxMemoryPages: 2048,
      maxTableElements: 1000,
      stackKb: 984,
      maxCpuMs: 10_000,
      maxOutputBytes: 1000,
      maxStderrBytes: 0,
      maxStderrLines: 0,
      clockResolutionUs: 50_000,
    };
    const body = (id: number) => `(drop (call $clock_res_get (i32.const ${id}) (i32.const 0)))
      (drop (call $clock_time_get (i32.const ${id}) (i64.const 0) (i32.const 8)))
      (call $print (i32.add (i32.wrap_i64 (i64.div_u (i64.load (i32.const 0)) (i64.const 1000)))
        (i32.wrap_i64 (i64.rem_u (i64.load (i32.const 8)) (i64.const 50000000)))))`;
    for (const id of [0, 1, 2, 3]) expect(printed(body(id), { limits })).toBe('50000');
  });

  it('closes descriptors for good', () => {
    expect(
      printed(
        '(drop (call $fd_close (i32.const 2))) (call $print (call $write (i32.const 2) (i32.const 0) (i32.const 1)))',
      ),
    ).toBe(String(ERRNO.badf));
  });

  it('does not let an agent that catches its own exit go on', () => {
    const body = '(try (do (call $proc_exit (i32.const 4))) (catch_all)) (call $print (i32.const 1))';
    expect(start(body)).toMatchObject({ outcome: { end: 'exited', code: 4 }, bytesOut: 0 });
  });

  it("writes AssemblyScript's abort to standard error", () => {
    const strings = String.raw`(data (i32.const 4) "\06\00\00\00b\00a\00d\00") (data (i32.const 20) "\08\00\00\00a\00.\00t\00s\00")`;
    const { outcome, lines } = start(
      '(call $abort (i32.const 8) (i32.const 24) (i32.const 7) (i32.const 3))',
      {},
      strings,
    );
    expect(outcome).toMatchObject({ end: 'trapped', trap: 'abort' });
    expect(lines).toEqual(['abort: bad in a.ts(7:3)']);
  });
});
