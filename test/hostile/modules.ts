import type { WasiFunctionName } from '../../src/common/host-functions.js';
import type { RunRequest } from '../../src/execution/index.js';
import { agent, FOREVER } from '../e2e/agents.js';
import { wat } from '../support/wat.js';
import { agentBinary, binary, body, leb, name, repeated, section, SECTION, times, vector } from './byte-writer.js';

/** One hostile module. */
export interface Hostile {
  /** Completes the sentence "an agent that …". */
  deed: string;
  module: () => Promise<Uint8Array> | Uint8Array;
  /** How its run has to end, in the terms of `RunOutcome`. Several: engines of different age differ. */
  ends: object[];
  /** Whether validation keeps it from ever getting to the sandbox. */
  refused: boolean;
  run?: Partial<RunRequest>;
}

const row = (
  deed: string,
  module: Hostile['module'] | string,
  ends: object | object[],
  { refused = false, ...run }: Partial<RunRequest> & { refused?: boolean } = {},
): Hostile => ({
  deed,
  module: typeof module === 'string' ? () => agent(module) : module,
  ends: [ends].flat(),
  refused,
  run,
});

/** Long enough to get going, short enough for many of them. */
const DEADLINE = { timeoutMs: 250 };
const TIMED_OUT = { end: 'timed_out', afterMs: 250 };
const REFUSED = { end: 'refused' };
const COMPLETED = { end: 'completed', output: '{"ok":true}' };
const SILENT = { end: 'invalid_output', reason: 'there is no output' };
const OUT_OF_MEMORY = { end: 'out_of_memory' };
const TABLE = { end: 'table_too_large', limitElements: 100_000 };
const trap = (kind: string) => ({ end: 'trapped', trap: kind });
const exited = (code: number) => ({ end: 'exited', code });
/** Makes the answer of a host function the exit code. */
const exitWith = (call: string): string => `(call $proc_exit ${call})`;
const imported = (name: string, type: string): string =>
  `(import "wasi_snapshot_preview1" "${name}" (func $${name} ${type}))`;
const withImports = (start: string, imports: string, declarations = '') =>
  wat(`(module ${imports}
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 2) ${declarations} (func (export "_start") ${start}))`);

const EBADF = 8;
const EFAULT = 21;
const EINVAL = 28;
const ENOTDIR = 54;

const endless: Hostile[] = [
  row('loops', FOREVER, TIMED_OUT, DEADLINE),
  row('loops in its start function', () => agent('', `(func $boot ${FOREVER}) (start $boot)`), TIMED_OUT, DEADLINE),
  row('calls its own tail', () => agent('(return_call $t)', '(func $t (return_call $t))'), TIMED_OUT, DEADLINE),
  row(
    'calls through a table',
    () => agent('(loop (call_indirect (i32.const 0)) (br 0))', '(table funcref (elem $f)) (func $f)'),
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'fills all the memory it may have, in one instruction each time',
    `(drop (memory.grow (i32.const 2046)))
     (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 134217728)) (br 0))`,
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'copies its memory onto itself',
    '(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 131071)) (br 0))',
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'fills a table',
    () =>
      agent(
        '(loop (table.fill $t (i32.const 0) (ref.null func) (i32.const 90000)) (br 0))',
        '(table $t 90000 funcref)',
      ),
    TIMED_OUT,
    { ...DEADLINE, refused: true },
  ),
  row('grows its memory by nothing', '(loop (drop (memory.grow (i32.const 0))) (br 0))', TIMED_OUT, DEADLINE),
  row(
    'sleeps for ever, and again when it is woken',
    `(i64.store (i32.const 1056) (i64.const -1))
     (loop (drop (call $poll_oneoff (i32.const 1032) (i32.const 1100) (i32.const 1) (i32.const 8))) (br 0))`,
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'waits in its start function for a notification that never comes',
    () =>
      wat(`(module (memory (export "memory") 1 1 shared) (func $boot (drop
        (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))) (start $boot) (func (export "_start")))`),
    TIMED_OUT,
    { ...DEADLINE, refused: true },
  ),
  row(
    'catches its own exit',
    '(loop (try (do (call $proc_exit (i32.const 1))) (catch_all)) (br 0))',
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'throws and catches',
    () => agent('(loop (try (do (throw $e)) (catch_all)) (br 0))', '(tag $e)'),
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'floods standard error',
    '(loop (call $write (i32.const 2) (i32.const 0) (i32.const 131072)) (br 0))',
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'writes nothing, again and again',
    '(loop (call $write (i32.const 1) (i32.const 0) (i32.const 0)) (br 0))',
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'draws randomness',
    () =>
      withImports(
        '(loop (drop (call $random_get (i32.const 0) (i32.const 131072))) (br 0))',
        imported('random_get', '(param i32 i32) (result i32)'),
      ),
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'yields',
    () => withImports('(loop (drop (call $sched_yield)) (br 0))', imported('sched_yield', '(result i32)')),
    TIMED_OUT,
    DEADLINE,
  ),
  row(
    'computes beyond its processor time',
    FOREVER,
    { end: 'cpu_exhausted', limitMs: 150 },
    { limits: { maxCpuMs: 150 } },
  ),
];

const growUntilRefused = (growth: string): string => `(loop $more (br_if $more (i32.ne ${growth} (i32.const -1))))`;

const greedy: Hostile[] = [
  row(
    'grows its memory until it is refused, and gives up',
    `${growUntilRefused('(memory.grow (i32.const 1))')} unreachable`,
    {
      end: 'out_of_memory',
      limitBytes: 2048 * 65_536,
    },
  ),
  row(
    'grows its memory in its start function until it is refused, and gives up',
    () => agent('', `(func $boot ${growUntilRefused('(memory.grow (i32.const 1))')} unreachable) (start $boot)`),
    trap('unreachable'), // Nobody can see its memory: docs/decisions/0017-limits-of-one-run.md.
  ),
  row(
    'asks for four gigabytes a thousand times',
    `(local $n i32)
     (loop $more (drop (memory.grow (i32.const 65535)))
       (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))) (call $ok)`,
    COMPLETED,
  ),
  row(
    'touches every byte it may have',
    `(drop (memory.grow (i32.const 2046)))
     (memory.fill (i32.const 1024) (i32.const 1) (i32.const 134216704)) (call $ok)`,
    COMPLETED,
  ),
  row(
    'starts with four gigabytes',
    () => wat('(module (memory (export "memory") 65536) (func (export "_start")))'),
    OUT_OF_MEMORY,
    {
      refused: true,
    },
  ),
  row(
    'has a hundred memories of 128 MB',
    () => wat(`(module (memory (export "memory") 1) ${'(memory 2048)'.repeat(100)} (func (export "_start")))`),
    [REFUSED, OUT_OF_MEMORY],
    { refused: true },
  ),
  row(
    'addresses its memory with 64 bits',
    () =>
      wat('(module (memory (export "memory") i64 1) (func (export "_start") (drop (memory.grow (i64.const 999999)))))'),
    [REFUSED, SILENT],
    { refused: true },
  ),
  row('starts with a table of ten million', () => agent('(call $ok)', '(table 10000000 funcref)'), [TABLE, REFUSED], {
    refused: true,
  }),
  row(
    'starts with more table than its run may have',
    () => agent('(call $ok)', '(table 11 funcref)'),
    { end: 'table_too_large', limitElements: 10 },
    { limits: { maxTableElements: 10 } },
  ),
  row(
    'grows a table that it shows until it is refused, and gives up',
    () =>
      agent(
        `${growUntilRefused('(table.grow $t (ref.null func) (i32.const 1))')} unreachable`,
        '(table $t (export "table") 1 funcref)',
      ),
    { end: 'table_too_large', limitElements: 100_000 },
  ),
  row(
    'grows a table beyond what its run may have',
    () =>
      agent(
        `${growUntilRefused('(table.grow $t (ref.null func) (i32.const 1))')} (table.set $t (i32.const 50) (ref.null func))`,
        '(table $t 1 funcref)',
      ),
    trap('out_of_bounds_table'),
    { limits: { maxTableElements: 50 } },
  ),
  row('has a thousand tables', () => agent('(call $ok)', '(table 99999 funcref)'.repeat(1000)), OUT_OF_MEMORY, {
    refused: true,
  }),
  row(
    'grows a table until it is refused, and uses more',
    () =>
      agent(
        `${growUntilRefused('(table.grow $t (ref.null func) (i32.const 1000))')}
         (table.set $t (i32.const 100000) (ref.null func))`,
        '(table $t 1 funcref)',
      ),
    trap('out_of_bounds_table'),
  ),
  row(
    'brings nine million table elements',
    () =>
      agentBinary({
        more: {
          after: SECTION.export,
          sections: [section(SECTION.element, leb(1), Uint8Array.of(1, 0), leb(9_000_000), times(9_000_000, leb(0)))],
        },
      }),
    [SILENT, TABLE, OUT_OF_MEMORY],
    { refused: true },
  ),
  row(
    'fills the heap of the engine with arrays',
    // A chain: (type $a (array (mut (ref null $a)))), each one's first element the one before.
    () =>
      agentBinary({
        types: { count: 1, bytes: Uint8Array.of(0x5e, 0x63, 1, 1) },
        locals: Uint8Array.of(1, 2, 0x63, 1),
        start: Buffer.concat([
          Uint8Array.of(0x03, 0x40, 0x41),
          leb(30_000),
          Uint8Array.of(0xfb, 0x07, 1, 0x22, 1, 0x41, 0, 0x20, 0, 0xfb, 0x0e, 1, 0x20, 1, 0x21, 0, 0x0c, 0, 0x0b),
        ]),
      }),
    [REFUSED, OUT_OF_MEMORY],
    { refused: true },
  ),
];

const CONST_DROP = Uint8Array.of(0x41, 0, 0x1a);

const hardToCompile: Hostile[] = [
  row(
    'declares five thousand million locals in less than a megabyte',
    () =>
      agentBinary({
        others: {
          count: 100_000,
          body: body(new Uint8Array(), Buffer.concat([leb(1), leb(50_000), Uint8Array.of(0x7f)])),
        },
      }),
    TIMED_OUT,
    { ...DEADLINE, refused: true },
  ),
  row(
    'has a function with a million locals',
    () => agentBinary({ locals: Buffer.concat([leb(1), leb(1_000_000), Uint8Array.of(0x7f)]) }),
    REFUSED,
    { refused: true },
  ),
  row(
    'has a function with fifty thousand locals',
    () => agentBinary({ locals: Buffer.concat([leb(1), leb(50_000), Uint8Array.of(0x7e)]) }),
    [SILENT, trap('stack_overflow')],
    { refused: true },
  ),
  row(
    'nests a million blocks',
    () =>
      agentBinary({
        start: Buffer.concat([times(1_000_000, Uint8Array.of(0x02, 0x40)), times(1_000_000, Uint8Array.of(0x0b))]),
      }),
    [SILENT, REFUSED, OUT_OF_MEMORY, { end: 'timed_out' }],
    { timeoutMs: 3000, refused: true },
  ),
  row(
    'keeps two hundred thousand operands on its stack',
    () =>
      agentBinary({
        start: Buffer.concat([times(200_000, Uint8Array.of(0x41, 1)), times(200_000, Uint8Array.of(0x1a))]),
      }),
    [SILENT, trap('stack_overflow')],
  ),
  row(
    'branches to sixty-five thousand targets',
    () => agentBinary({ start: Buffer.concat([Uint8Array.of(0x41, 7, 0x0e), leb(65_000), times(65_001, leb(0))]) }),
    SILENT,
  ),
  row(
    'branches to a million targets',
    () =>
      agentBinary({ start: Buffer.concat([Uint8Array.of(0x41, 7, 0x0e), leb(1_000_000), times(1_000_001, leb(0))]) }),
    REFUSED,
    { refused: true },
  ),
  row(
    'runs round in one function of six megabytes',
    () =>
      agentBinary({
        start: Buffer.concat([Uint8Array.of(0x03, 0x40), times(2_000_000, CONST_DROP), Uint8Array.of(0x0c, 0, 0x0b)]),
      }),
    TIMED_OUT,
    { ...DEADLINE, refused: true },
  ),
  row(
    'has two hundred thousand functions',
    () => agentBinary({ others: { count: 200_000, body: body(new Uint8Array()) } }),
    SILENT,
    {
      refused: true,
    },
  ),
  row(
    'has a million types and one',
    () => agentBinary({ types: { count: 1_000_000, bytes: times(1_000_000, Uint8Array.of(0x60, 0, 0)) } }),
    REFUSED,
    { refused: true },
  ),
  row(
    'has a million globals and one',
    () =>
      agentBinary({
        more: {
          after: SECTION.memory,
          sections: [repeated(SECTION.global, 1_000_001, Uint8Array.of(0x7f, 0, 0x41, 0, 0x0b))],
        },
      }),
    REFUSED,
    { refused: true },
  ),
  row(
    'imports a hundred thousand functions',
    () =>
      binary(
        vector(SECTION.type, [Uint8Array.of(0x60, 0, 0)]),
        repeated(
          SECTION.import,
          100_000,
          Buffer.concat([name('wasi_snapshot_preview1'), name('sched_yield'), Uint8Array.of(0, 0)]),
        ),
        repeated(SECTION.function, 1, leb(0)),
        vector(SECTION.memory, [Uint8Array.of(0, 1)]),
        vector(SECTION.export, [
          Buffer.concat([name('memory'), Uint8Array.of(2, 0)]),
          Buffer.concat([name('_start'), Uint8Array.of(0), leb(100_000)]),
        ]),
        vector(SECTION.code, [body(new Uint8Array())]),
      ),
    [SILENT, REFUSED],
    { refused: true },
  ),
  row(
    'exports the same function sixty thousand times',
    () =>
      wat(`(module (memory (export "memory") 1) (func (export "_start")
        ${Array.from({ length: 60_000 }, (_, index) => `(export "f${index}")`).join('')}))`),
    SILENT,
    { refused: true },
  ),
  row(
    'has fifty thousand custom sections',
    () => Buffer.concat([agentBinary(), times(50_000, section(SECTION.custom, name('x')))]),
    SILENT,
    { refused: true },
  ),
];

const trapping: Hostile[] = [
  row('reaches the unreachable', 'unreachable', trap('unreachable')),
  row('traps in its start function', () => agent('', '(func $boot unreachable) (start $boot)'), trap('unreachable')),
  row('divides by zero', '(drop (i32.rem_u (i32.const 1) (i32.const 0)))', trap('integer_divide_by_zero')),
  row(
    'divides the least number by minus one',
    '(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))',
    trap('integer_overflow'),
  ),
  row(
    'converts what is not a number',
    '(drop (i32.trunc_f64_s (f64.const nan)))',
    trap('invalid_conversion_to_integer'),
  ),
  row('reads below its memory', '(drop (i32.load (i32.const -4)))', trap('out_of_bounds_memory')),
  row(
    'writes beyond its memory',
    '(i64.store offset=4294967295 (i32.const -1) (i64.const 1))',
    trap('out_of_bounds_memory'),
  ),
  row(
    'brings data for beyond its memory',
    () => agent('(call $ok)', '(data (i32.const 131071) "ab")'),
    trap('out_of_bounds_memory'),
  ),
  row(
    'brings elements for beyond its table',
    () => agent('(call $ok)', '(table 1 funcref) (elem (i32.const 1) $ok)'),
    trap('out_of_bounds_table'),
  ),
  row(
    'calls beyond its table',
    () => agent('(call_indirect (i32.const 9))', '(table 1 funcref)'),
    trap('out_of_bounds_table'),
  ),
  row(
    'calls an empty element',
    () => agent('(call_indirect (i32.const 0))', '(table 1 funcref)'),
    trap('indirect_call_mismatch'),
  ),
  row(
    'calls a function as what it is not',
    () => agent('(call_indirect (param i32) (i32.const 1) (i32.const 0))', '(table funcref (elem $ok))'),
    trap('indirect_call_mismatch'),
  ),
  row(
    'loads atomically from an address that is no multiple of four',
    () => agent('(drop (i32.atomic.load (i32.const 1025)))'),
    trap('unaligned_access'),
  ),
  row(
    'waits for a notification on memory that it shares with nobody',
    () => agent('(drop (memory.atomic.wait32 (i32.const 1024) (i32.const 0) (i64.const -1)))'),
    trap('other'),
  ),
  row(
    'takes a null reference for a function',
    // (drop (ref.as_non_null (ref.null func)))
    () => agentBinary({ start: Uint8Array.of(0xd0, 0x70, 0xd4, 0x1a) }),
    [REFUSED, trap('null_reference')],
  ),
  row('throws', () => agent('(throw $e)', '(tag $e)'), trap('uncaught_exception')),
  row(
    'calls itself without end',
    () => agent('(call $deep)', '(func $deep (call $deep) (call $deep))'),
    trap('stack_overflow'),
  ),
  row(
    'calls itself deeper than its run may',
    () =>
      agent(
        '(call $down (i32.const 9000))',
        `(func $down (param i32) (if (local.get 0)
           (then (call $down (i32.sub (local.get 0) (i32.const 1))))
           (else (call $ok))) (global.set $back (local.get 0)))
         (global $back (mut i32) (i32.const 0))`,
      ),
    trap('stack_overflow'),
    { limits: { stackKb: 128 } },
  ),
  row(
    'calls itself without end in its start function, on the least stack there is',
    () => agent('', '(func $boot (call $boot) (call $boot)) (start $boot)'),
    trap('stack_overflow'),
    { limits: { stackKb: 1 } },
  ),
  row(
    'calls itself without end, with eight kilobytes of locals each',
    () =>
      agent(
        '(drop (call $deep (i64.const 1)))',
        `(func $deep (param i64) (result i64) (local ${'i64 '.repeat(1000)})
          ${Array.from({ length: 1000 }, (_, index) => `(local.set ${index + 1} (i64.add (local.get 0) (i64.const ${index})))`).join(' ')}
          (call $deep (local.get 7)) ${Array.from({ length: 1000 }, (_, index) => `(local.get ${index + 1}) i64.add`).join(' ')})`,
      ),
    trap('stack_overflow'),
  ),
  row(
    'calls itself without end through a table',
    () =>
      agent(
        '(call_indirect (i32.const 0))',
        '(table funcref (elem $f)) (func $f (call_indirect (i32.const 0)) (call_indirect (i32.const 0)))',
      ),
    trap('stack_overflow'),
  ),
  row(
    'catches the overflow of its stack and goes on',
    () => agent('(call $deep) (call $ok)', '(func $deep (try (do (call $deep)) (catch_all)))'),
    [COMPLETED, trap('stack_overflow'), { end: 'timed_out' }],
    { timeoutMs: 2000 },
  ),
];

const exiting: Hostile[] = [
  row('exits with a code', '(call $proc_exit (i32.const -1))', exited(0xffffffff)),
  row(
    'exits in its start function',
    () => agent('(call $ok)', '(func $boot (call $proc_exit (i32.const 3))) (start $boot)'),
    exited(3),
  ),
  row(
    'exits deep down in a call through a table',
    () =>
      agent(
        '(call $deep (i32.const 1000))',
        `(table funcref (elem $quit)) (func $quit (call $proc_exit (i32.const 4)))
         (func $deep (param i32) (if (local.get 0)
           (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
           (else (call_indirect (i32.const 0)))))`,
      ),
    exited(4),
  ),
  row('answers, and then claims to have failed', '(call $ok) (call $proc_exit (i32.const 1))', exited(1)),
  row(
    'carries on after an exit it caught',
    '(try (do (call $proc_exit (i32.const 5))) (catch_all)) (call $ok)',
    exited(5),
  ),
];

type Argument = 'folder' | 'address' | 'length' | 'i32' | 'i64';

/** Every function on paths, with what each of its arguments means. */
const PATH_FUNCTIONS: readonly (readonly [WasiFunctionName, ...Argument[]])[] = [
  ['path_create_directory', 'folder', 'address', 'length'],
  ['path_filestat_get', 'folder', 'i32', 'address', 'length', 'i32'],
  ['path_filestat_set_times', 'folder', 'i32', 'address', 'length', 'i64', 'i64', 'i32'],
  ['path_link', 'folder', 'i32', 'address', 'length', 'folder', 'address', 'length'],
  ['path_open', 'folder', 'i32', 'address', 'length', 'i32', 'i64', 'i64', 'i32', 'i32'],
  ['path_readlink', 'folder', 'address', 'length', 'i32', 'i32', 'i32'],
  ['path_remove_directory', 'folder', 'address', 'length'],
  ['path_rename', 'folder', 'address', 'length', 'folder', 'address', 'length'],
  ['path_symlink', 'address', 'length', 'folder', 'address', 'length'],
  ['path_unlink_file', 'folder', 'address', 'length'],
];

const SECRET_PATH = '../../../etc/passwd';

function onPath(deed: string, name: WasiFunctionName, args: Argument[], folder: number, errno: number): Hostile {
  const values = { folder, address: 64, length: SECRET_PATH.length, i32: 8, i64: -1 };
  const type = `(param ${args.map((arg) => (arg === 'i64' ? 'i64' : 'i32')).join(' ')}) (result i32)`;
  const call = `(call $${name} ${args.map((arg) => `(${arg === 'i64' ? 'i64' : 'i32'}.const ${values[arg]})`).join(' ')})`;
  const module = () => withImports(exitWith(call), imported(name, type), `(data (i32.const 64) "${SECRET_PATH}")`);
  return row(deed, module, exited(errno));
}

/** What is wrong, the function, the type it is imported with, and arguments for that. */
const WRONG_SIGNATURES: readonly (readonly [string, WasiFunctionName, string, string])[] = [
  ['a wide descriptor', 'fd_tell', '(param i64) (result i64)', '(i64.const 1)'],
  ['a narrow time', 'clock_time_get', '(param i32 i32 i32) (result i64)', '(i32.const 0) (i32.const 0) (i32.const 8)'],
  ['a wide answer', 'sched_yield', '(result i64)', ''],
  ['a wide address', 'random_get', '(param i64 i32) (result i32)', '(i64.const 8) (i32.const 8)'],
  ['too few arguments', 'fd_fdstat_set_rights', '(param i32) (result i32)', '(i32.const 1)'],
];

const abusingTheHost: Hostile[] = [
  row(
    'writes a gigabyte to standard output',
    '(drop (memory.grow (i32.const 16))) (loop (call $write (i32.const 1) (i32.const 0) (i32.const 1000000)) (br 0))',
    { end: 'output_too_large', limitBytes: 5 * 1024 * 1024 },
  ),
  row(
    'writes four gigabytes at once, all of them the same megabyte',
    () =>
      agent(
        `(local $at i32) (drop (memory.grow (i32.const 16)))
         (local.set $at (i32.const 2048))
         (loop $more
           (i32.store offset=4 (local.get $at) (i32.const 1000000))
           (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 10240))))
         ${exitWith('(call $fd_write (i32.const 1) (i32.const 2048) (i32.const 1024) (i32.const 8))')}`,
      ),
    { end: 'output_too_large' },
  ),
  row(
    'writes a gigabyte to standard error, in one line',
    `(local $n i32) (drop (memory.grow (i32.const 16)))
     (loop $more (call $write (i32.const 2) (i32.const 2048) (i32.const 1000000))
       (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))) (call $ok)`,
    COMPLETED,
  ),
  row(
    'writes a million empty lines to standard error',
    `(local $n i32) (memory.fill (i32.const 2048) (i32.const 10) (i32.const 100000))
     (loop $more (call $write (i32.const 2) (i32.const 2048) (i32.const 100000))
       (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10)))) (call $ok)`,
    COMPLETED,
  ),
  row(
    'writes from a million buffers',
    exitWith('(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 8))'),
    exited(EINVAL),
  ),
  row(
    'writes from buffers that are not in its memory',
    exitWith('(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))'),
    exited(EFAULT),
  ),
  row(
    'writes from a buffer that begins in its memory and ends outside',
    `(i32.store (i32.const 0) (i32.const 131071)) (i32.store (i32.const 4) (i32.const -1))
     ${exitWith('(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))')}`,
    exited(EFAULT),
  ),
  row(
    'gets the count written into the very buffers it writes from',
    `(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 11))
     (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 4)))`,
    COMPLETED,
  ),
  row(
    'reads its input over the list of buffers it reads into',
    `(i32.store (i32.const 1024) (i32.const 1024)) (i32.store (i32.const 1028) (i32.const 16))
     (i32.store (i32.const 1032) (i32.const 1030)) (i32.store (i32.const 1036) (i32.const 16))
     (drop (call $fd_read (i32.const 0) (i32.const 1024) (i32.const 2) (i32.const 1026))) (call $ok)`,
    COMPLETED,
    { input: JSON.stringify('x'.repeat(100)) },
  ),
  row(
    'reads into what is not its memory',
    `(i32.store (i32.const 1024) (i32.const -16)) (i32.store (i32.const 1028) (i32.const 32))
     ${exitWith('(call $fd_read (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 8))')}`,
    exited(EFAULT),
  ),
  row(
    'wants four gigabytes of randomness',
    () =>
      withImports(
        exitWith('(call $random_get (i32.const 0) (i32.const -1))'),
        imported('random_get', '(param i32 i32) (result i32)'),
      ),
    exited(EFAULT),
  ),
  row(
    'waits for four thousand million events',
    exitWith('(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 8))'),
    exited(EINVAL),
  ),
  ...PATH_FUNCTIONS.flatMap(([name, ...args]) => [
    onPath(`reaches for /etc/passwd with ${name} by a folder that it does not have`, name, args, 3, EBADF),
    onPath(`reaches for /etc/passwd with ${name} by its standard input`, name, args, 0, ENOTDIR),
  ]),
  row(
    'guesses descriptors',
    `(local $fd i32) (local.set $fd (i32.const 3))
     (loop $next
       (if (i32.ne (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const ${EBADF})) (then unreachable))
       (if (i32.ne (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const ${EBADF})) (then unreachable))
       (br_if $next (i32.lt_u (local.tee $fd (i32.add (local.get $fd) (i32.const 1))) (i32.const 70000)))) (call $ok)`,
    COMPLETED,
  ),
  row(
    'closes its streams and uses them',
    () =>
      withImports(
        `(drop (call $fd_close (i32.const 1)))
         ${exitWith('(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8))')}`,
        imported('fd_close', '(param i32) (result i32)') + imported('fd_write', '(param i32 i32 i32 i32) (result i32)'),
      ),
    exited(EBADF),
  ),
  row(
    'has the time written outside its memory',
    () =>
      withImports(
        exitWith('(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 131065))'),
        imported('clock_time_get', '(param i32 i64 i32) (result i32)'),
      ),
    exited(EFAULT),
  ),
  ...WRONG_SIGNATURES.map(([what, name, type, args]) =>
    row(
      `imports ${name} with ${what} and calls it`,
      () => withImports(`(drop (call $${name} ${args}))`, imported(name, type)),
      trap('bad_host_call'),
      { refused: true },
    ),
  ),
  row(
    'answers a million levels deep',
    `(drop (memory.grow (i32.const 16))) (memory.fill (i32.const 2048) (i32.const 91) (i32.const 500000))
     (memory.fill (i32.const 502048) (i32.const 93) (i32.const 500000))
     (call $write (i32.const 1) (i32.const 2048) (i32.const 1000000))`,
    { end: 'invalid_output' },
  ),
];

const plain = (text: string) => () => wat(text);
const impostor = (deed: string, text: string, ends: object = REFUSED): Hostile =>
  row(deed, plain(text), ends, { refused: true });

const notAnAgent: Hostile[] = [
  impostor(
    'imports a function that does not exist',
    '(module (import "env" "system" (func)) (memory (export "memory") 1) (func (export "_start")))',
  ),
  impostor(
    'imports a function of the host language',
    '(module (import "env" "constructor" (func)) (memory (export "memory") 1) (func (export "_start")))',
  ),
  impostor(
    'imports from the prototype of the imports',
    '(module (import "__proto__" "toString" (func)) (memory (export "memory") 1) (func (export "_start")))',
  ),
  impostor(
    'imports its memory',
    '(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)) (func (export "_start")))',
  ),
  impostor(
    'imports a table',
    '(module (import "env" "table" (table 1 funcref)) (memory (export "memory") 1) (func (export "_start")))',
  ),
  impostor(
    'imports a global',
    '(module (import "env" "global" (global i32)) (memory (export "memory") 1) (func (export "_start")))',
  ),
  impostor('has no memory', '(module (func (export "_start")))'),
  impostor('exports a function called memory', '(module (func (export "memory")) (func (export "_start")))'),
  impostor(
    'exports a global called _start',
    '(module (memory (export "memory") 1) (global (export "_start") i32 (i32.const 0)))',
  ),
  impostor(
    'has a _start that wants arguments',
    '(module (memory (export "memory") 1) (func (export "_start") (param i32)))',
  ),
  impostor('shares its memory', '(module (memory (export "memory") 1 1 shared) (func (export "_start")))'),
  row(
    'exports `then` and `__proto__`',
    plain(
      '(module (memory (export "memory") 1) (func (export "then") unreachable) (func (export "__proto__") unreachable) (func (export "_start")))',
    ),
    SILENT,
  ),
  row('is empty', () => Buffer.alloc(0), REFUSED, { refused: true }),
  row('is not WebAssembly', () => Buffer.from('#!/bin/sh\nrm -rf /\n'), REFUSED, { refused: true }),
  row('is cut off', async () => (await agent('(call $ok)')).subarray(0, 60), REFUSED, { refused: true }),
  row('is a component', () => Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), REFUSED, { refused: true }),
  row(
    'claims a section of four gigabytes',
    () => binary(Buffer.from([SECTION.code, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    REFUSED,
    { refused: true },
  ),
  row(
    'writes an integer in six bytes',
    () => binary(Buffer.from([SECTION.type, 0x80, 0x80, 0x80, 0x80, 0x80, 0])),
    REFUSED,
    { refused: true },
  ),
  row(
    'has two memory sections',
    () => binary(vector(SECTION.memory, [Uint8Array.of(0, 1)]), vector(SECTION.memory, [Uint8Array.of(0, 1)])),
    REFUSED,
    { refused: true },
  ),
];

export const HOSTILE: readonly Hostile[] = [
  ...endless,
  ...greedy,
  ...hardToCompile,
  ...trapping,
  ...exiting,
  ...abusingTheHost,
  ...notAnAgent,
];
