import { describe, expect, it } from '@jest/globals';
import loadWabt from 'wabt';
import { HOST_FUNCTIONS, type WasiFunctionName } from '../../common/host-functions.js';
import { runAgent, type AgentRun } from './agent-run.js';
import { compileObserved } from './observation.js';
import { RIGHT } from './descriptors.js';
import { ERRNO, type Errno } from './errno.js';

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
    observation: compileObserved(wabt.parseWat('agent.wat', text, { exceptions: true }).toBinary({}).buffer),
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

/** For answers after which standard output may be gone: as an exit code, which is not 0 for an errno of 0 either. */
const answered = (body: string): number => {
  const { outcome } = start(`(call $proc_exit (i32.add (i32.const 1000) ${body}))`);
  return outcome.end === 'exited' ? outcome.code - 1000 : NaN;
};

type OnDescriptor = Extract<WasiFunctionName, `${'fd' | 'path' | 'sock'}_${string}`>;

/** What every function on a descriptor answers for standard output, all of its other arguments being 0. */
const ON_STANDARD_OUTPUT: Record<OnDescriptor, Errno> = {
  fd_advise: ERRNO.spipe,
  fd_allocate: ERRNO.spipe,
  fd_close: ERRNO.success,
  fd_datasync: ERRNO.inval,
  fd_fdstat_get: ERRNO.success,
  fd_fdstat_set_flags: ERRNO.success,
  fd_fdstat_set_rights: ERRNO.success,
  fd_filestat_get: ERRNO.success,
  fd_filestat_set_size: ERRNO.inval,
  fd_filestat_set_times: ERRNO.notcapable,
  fd_pread: ERRNO.spipe,
  fd_prestat_dir_name: ERRNO.badf,
  fd_prestat_get: ERRNO.badf,
  fd_pwrite: ERRNO.spipe,
  fd_read: ERRNO.notcapable,
  fd_readdir: ERRNO.notdir,
  fd_renumber: ERRNO.success,
  fd_seek: ERRNO.spipe,
  fd_sync: ERRNO.inval,
  fd_tell: ERRNO.spipe,
  fd_write: ERRNO.success,
  path_create_directory: ERRNO.notdir,
  path_filestat_get: ERRNO.notdir,
  path_filestat_set_times: ERRNO.notdir,
  path_link: ERRNO.notdir,
  path_open: ERRNO.notdir,
  path_readlink: ERRNO.notdir,
  path_remove_directory: ERRNO.notdir,
  path_rename: ERRNO.notdir,
  path_symlink: ERRNO.notdir,
  path_unlink_file: ERRNO.notdir,
  sock_accept: ERRNO.notsock,
  sock_recv: ERRNO.notsock,
  sock_send: ERRNO.notsock,
  sock_shutdown: ERRNO.notsock,
};

/** A call of `name` on descriptor `fd`, all of its other arguments being 0. */
function callOn(name: OnDescriptor, fd: number): string {
  const place = name === 'path_symlink' ? 2 : 0;
  const args = HOST_FUNCTIONS[WASI][name].params.map((type, index) => `(${type}.const ${index === place ? fd : 0})`);
  return `(call $${name} ${args.join(' ')})`;
}

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

  it.each(Object.entries(ON_STANDARD_OUTPUT) as [OnDescriptor, Errno][])(
    'answers to %s on standard output with errno %i, and on descriptors that are not open with EBADF',
    (name, errno) => {
      expect(answered(callOn(name, 1))).toBe(errno);
      for (const fd of [3, 9, -1]) expect(answered(callOn(name, fd))).toBe(ERRNO.badf);
    },
  );

  it.each([
    ['takes only the flags of a pipe', '(call $fd_fdstat_set_flags (i32.const 1) (i32.const 4)', '', ERRNO.notsup],
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

  it('shows each stream as no terminal, with the rights that it has', () => {
    const status = (fd: number, cell: string) => `(i64.store (i32.const 0) (i64.const -1))
      (drop (call $fd_fdstat_get (i32.const ${fd}) (i32.const 0)))
      (call $print ${cell})`;
    for (const [fd, right] of [
      [0, RIGHT.read],
      [1, RIGHT.write],
      [2, RIGHT.write],
    ] as const) {
      expect(printed(status(fd, '(i32.load (i32.const 0))'))).toBe('0');
      expect(printed(status(fd, '(i32.load (i32.const 8))'))).toBe(String(right | RIGHT.fileStatus | RIGHT.poll));
    }
  });

  it('shows a stream as an empty file of no known type', () => {
    const body = `(i64.store (i32.const 16) (i64.const -1)) (i64.store (i32.const 32) (i64.const -1))
      (drop (call $fd_filestat_get (i32.const 0) (i32.const 0)))
      (call $print (i32.wrap_i64 (i64.or (i64.load (i32.const 16)) (i64.load (i32.const 32)))))`;
    expect(printed(body)).toBe('0');
  });

  it('takes rights from a stream and does not give them back', () => {
    const lend = (rights: bigint) => `(call $fd_fdstat_set_rights (i32.const 2) (i64.const ${rights}) (i64.const 0))`;
    const dropped = `(drop ${lend(RIGHT.poll)})`;
    expect(answered(`(block (result i32) ${dropped} ${lend(RIGHT.write)})`)).toBe(ERRNO.notcapable);
    expect(answered(`(block (result i32) ${dropped} ${callOn('fd_write', 2)})`)).toBe(ERRNO.notcapable);
    expect(answered(`(block (result i32) ${dropped} ${callOn('fd_filestat_get', 2)})`)).toBe(ERRNO.notcapable);
  });

  it('renumbers a stream over another that is open, and over nothing else', () => {
    const renumber = (from: number, to: number) => `(call $fd_renumber (i32.const ${from}) (i32.const ${to}))`;
    const write = '(call $write (i32.const 2) (i32.const 48) (i32.const 1))';
    const one = '(data (i32.const 48) "1")';
    const { outcome, output, lines } = start(`(drop ${renumber(1, 2)}) (drop ${write})`, {}, one);
    expect({ outcome, output, lines }).toEqual({ outcome: { end: 'completed' }, output: '1', lines: [] });
    expect(answered(`(block (result i32) (drop ${renumber(1, 2)}) ${callOn('fd_write', 1)})`)).toBe(ERRNO.badf);
    expect(start(`(drop ${renumber(2, 2)}) (drop ${write})`, {}, one).lines).toEqual(['1']);
    expect(answered(renumber(2, 9))).toBe(ERRNO.badf);
  });

  it('fills a megabyte with randomness at once, and no more', () => {
    const fill = (bytes: number) => `(drop (memory.grow (i32.const 31)))
      (call $print (call $random_get (i32.const 0) (i32.const ${bytes})))`;
    expect(printed(fill(1024 * 1024))).toBe(String(ERRNO.success));
    expect(printed(fill(1024 * 1024 + 1))).toBe(String(ERRNO.inval));
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
