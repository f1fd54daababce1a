import { describe, expect, it } from '@jest/globals';
import wabtInit from 'wabt';
import { parseEnvironment } from '../../config/index.js';
import { moduleLimits } from '../module-limits.js';
import type { ModuleLimits } from './limits.js';
import { ADVICE, MODULE_ADVICE, type WalkRefusalCode } from './refusal.js';
import { walkModule } from './section-walker.js';

const wabt = await wabtInit();
const FEATURES = { exceptions: true, gc: true, memory64: true, multi_memory: true, threads: true };
const LIMITS = moduleLimits(parseEnvironment({}).validation);

describe('walkModule', () => {
  it('describes what a module declares', () => {
    const { module, refusal } = walkModule(
      wat(`(module
        (import "host" "log" (func (param i32 i64) (result f32)))
        (import "host" "base" (global (mut i32)))
        (import "host" "error" (tag (param i32)))
        (memory (export "memory") 2 10)
        (table (export "calls") 3 funcref)
        (table 4 5 externref)
        (global (export "pi") f64 (f64.const 3.14))
        (global v128 (v128.const i64x2 1 2))
        (global funcref (ref.func $main))
        (func $main (export "_start") (local i32 i32 i64))
        (func $begin)
        (start $begin)
        (elem (i32.const 0) $main $begin)
        (elem funcref (ref.null func) (ref.func $main))
        (elem declare func $begin)
        (data (i32.const -1) "active")
        (data "passive"))`),
      LIMITS,
    );
    expect(refusal).toBeNull();
    expect(module).toEqual({
      version: 1,
      imports: [
        { module: 'host', name: 'log', kind: 'function', type: '(i32, i64) -> (f32)' },
        { module: 'host', name: 'base', kind: 'global', type: 'mut i32' },
        { module: 'host', name: 'error', kind: 'tag', type: '(i32) -> ()' },
      ],
      exports: [
        { name: 'memory', kind: 'memory', type: '2..10' },
        { name: 'calls', kind: 'table', type: 'funcref 3..' },
        { name: 'pi', kind: 'global', type: 'f64' },
        { name: '_start', kind: 'function', type: '() -> ()' },
      ],
      memory: { minPages: 2, maxPages: 10, shared: false, is64: false },
      tableElements: 7,
      functions: 2,
      globals: 3,
      dataSegments: 2,
      customSections: [],
      startFunction: 2,
      details: {
        types: 3,
        tables: 2,
        tags: 1,
        elementSegments: 3,
        locals: 3,
        codeBytes: 8,
        dataBytes: 13,
        customBytes: 0,
        largestFunction: { index: 1, bytes: 6 },
      },
      component: null,
    });
  });

  it('lists custom sections wherever they stand, with the size of their content', () => {
    const { module, refusal } = walkModule(
      binary(custom('a', 1, 2, 3), section(1, 0), custom('b'), custom('a', 9)),
      LIMITS,
    );
    expect(refusal).toBeNull();
    expect(module.customSections).toEqual([
      { name: 'a', size: 3 },
      { name: 'b', size: 0 },
      { name: 'a', size: 1 },
    ]);
  });

  it('says what the well-known custom sections say', () => {
    const text = (value: string) => [value.length, ...new TextEncoder().encode(value)];
    const producers = [1, ...text('language'), 1, ...text('C\n11'), ...text('14')];
    const features = [2, 0x2b, ...text('simd128'), 0x2d, ...text('atomics')];
    const { module, refusal } = walkModule(
      binary(
        custom('producers', ...producers),
        custom('target_features', ...features),
        custom('name', 0, 6, ...text('agent'), 1, 7, 2, 0, ...text('a'), 1, ...text('b')),
        custom('name', 1, 200),
        custom('producers', 0xff),
      ),
      LIMITS,
    );
    expect(refusal).toBeNull();
    expect(module.customSections).toMatchObject([
      { name: 'producers', producers: [{ field: 'language', name: 'C?11', version: '14' }] },
      { name: 'target_features', targetFeatures: ['+simd128', '-atomics'] },
      { name: 'name', names: { module: 'agent', functions: 2 } },
      { name: 'name', size: 2 },
      { name: 'producers', size: 1 },
    ]);
    expect(module.customSections.slice(3).map((section) => Object.keys(section))).toEqual([
      ['name', 'size'],
      ['name', 'size'],
    ]);
  });

  it('keeps what it has read of a module it refuses', () => {
    const { module } = walkModule(wat('(module (import "env" "f" (func)) (memory 2 3 shared))'), LIMITS);
    expect(module.imports).toHaveLength(1);
    expect(module.memory).toEqual({ minPages: 2, maxPages: 3, shared: true, is64: false });
  });

  it('cuts the text of long signatures', () => {
    const { module } = walkModule(wat(`(module (func (export "f") (param ${'i32 '.repeat(14)})))`), LIMITS);
    expect(module.exports[0].type).toBe(`(${'i32, '.repeat(12)}2 more) -> ()`);
  });

  it('reads padded integers, which linkers leave behind', () => {
    const padded = [0x81, 0x80, 0x80, 0x80, 0x00];
    expect(walkModule(binary(section(1, ...padded, 0x60, 0, 0)), LIMITS).refusal).toBeNull();
  });

  it('allows exactly as much as its limits say', () => {
    const module = wat('(module (func (local i32 i32)) (func (local i64)) (global i32 (i32.const 1)))');
    const exact = { functions: 2, globals: 1, types: 1, localsPerFunction: 2, localsInAll: 3, functionBytes: 4 };
    expect(walkModule(module, { ...LIMITS, ...exact }).refusal).toBeNull();
    for (const [name, limit] of Object.entries(exact)) {
      expect(walkModule(module, { ...LIMITS, ...exact, [name]: limit - 1 }).refusal).not.toBeNull();
    }
  });

  it.each(refused().map((one) => [one.code, one.because, one] as const))('refuses with %s %s', (code, _, one) => {
    const { refusal } = walkModule(one.bytes, { ...LIMITS, ...one.limits });
    expect(refusal?.code).toBe(code);
    expect(refusal?.message).toContain(ADVICE[code]);
    if (one.offset === undefined) expect(refusal?.offset).toBeGreaterThan(0);
    else expect(refusal?.offset).toBe(one.offset);
  });

  it('has a case above for every reason to refuse', () => {
    expect(new Set(refused().map(({ code }) => code))).toEqual(new Set(Object.keys(MODULE_ADVICE)));
  });
});

interface Refused {
  code: WalkRefusalCode;
  because: string;
  bytes: Uint8Array;
  /** Where it must be seen; unset: anywhere behind the first byte. */
  offset?: number;
  limits?: Partial<ModuleLimits>;
}

function refused(): Refused[] {
  const type = section(1, 1, 0x60, 0, 0);
  const of = (code: WalkRefusalCode, because: string, bytes: Uint8Array, offset?: number): Refused => ({
    code,
    because,
    bytes,
    offset,
  });
  const past = (code: WalkRefusalCode, limits: Partial<ModuleLimits>, text: string): Refused => ({
    code,
    because: `past the limit of ${Object.entries(limits).join(' ')}`,
    bytes: wat(text),
    limits,
  });
  const gc = (because: string, ...sections: number[][]) => of('GC_TYPES_NOT_SUPPORTED', because, binary(...sections));
  return [
    of('EMPTY_FILE', 'an empty file', new Uint8Array(), 0),
    of('NOT_WASM', 'text', new TextEncoder().encode('(module)'), 0),
    of('NOT_WASM', 'a short file of something else', new Uint8Array([0, 0x61, 0x62]), 2),
    of(
      'UNSUPPORTED_WASM_VERSION',
      'the header of a component',
      new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]),
      4,
    ),
    of('UNSUPPORTED_WASM_VERSION', 'another version', new Uint8Array([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]), 4),
    of('TRUNCATED_MODULE', 'half a header', new Uint8Array([0, 0x61, 0x73, 0x6d, 1]), 5),
    of('TRUNCATED_MODULE', 'a section without its length', binary([1]), 9),
    of('TRUNCATED_MODULE', 'a section that is cut off', binary([1, 4, 1, 0x60, 0]), 9),
    of('UNKNOWN_SECTION', 'an id nobody has defined', binary(section(14)), 8),
    of('SECTION_OUT_OF_ORDER', 'imports behind functions', binary(type, section(3, 0), section(2, 0)), 17),
    of('SECTION_OUT_OF_ORDER', 'a data count behind the code', binary(section(10, 0), section(12, 0)), 11),
    of('DUPLICATE_SECTION', 'two type sections', binary(type, type), 14),
    of('SECTION_SIZE_MISMATCH', 'contents longer than their section', binary(section(1, 2, 0x60, 0, 0)), 14),
    of('SECTION_SIZE_MISMATCH', 'contents shorter than their section', binary(section(1, 0, 0)), 11),
    of(
      'SECTION_SIZE_MISMATCH',
      'locals longer than their function',
      binary(type, section(3, 1, 0), section(10, 1, 1, 1)),
      23,
    ),
    of('SECTION_SIZE_MISMATCH', 'a name longer than its section', binary(section(0, 0xff, 0xff, 0xff, 0xff, 0x0f)), 15),
    of('INVALID_LEB128', 'an integer of six bytes', binary(section(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)), 10),
    of('INVALID_LEB128', 'an integer of 33 bits', binary(section(1, 0xff, 0xff, 0xff, 0xff, 0x1f)), 10),
    of(
      'INVALID_LEB128',
      'an i32 whose unused bits are not its sign',
      global(0x7f, 0x41, 0xff, 0xff, 0xff, 0xff, 0x4f),
      14,
    ),
    of('INVALID_LEB128', 'an i64 of 65 bits', global(0x7e, 0x42, ...Array<number>(9).fill(0xff), 0x01), 14),
    of('INVALID_NAME', 'a name that is not UTF-8', binary(section(0, 1, 0xff)), 10),
    of('CONTROL_CHARACTER_IN_NAME', 'a name with NUL', binary(custom('a\0')), 10),
    of('INVALID_TYPE', 'a form of type that does not exist', binary(section(1, 1, 0x20)), 11),
    of('INVALID_TYPE', 'a value type that does not exist', binary(section(1, 1, 0x60, 1, 0x10, 0)), 13),
    of('INVALID_TYPE', 'a table of numbers', binary(section(4, 1, 0x7f, 0, 0)), 11),
    of('INVALID_TYPE', 'an export of a kind that does not exist', binary(section(7, 1, 0, 9, 0)), 12),
    of('INVALID_FLAGS', 'unknown flags of a memory', binary(section(5, 1, 8, 1)), 11),
    of('INVALID_FLAGS', 'unknown flags of a table', binary(section(4, 1, 0x70, 2, 1)), 11),
    of('INVALID_FLAGS', 'unknown mutability of a global', binary(section(6, 1, 0x7f, 2)), 12),
    of('INVALID_FLAGS', 'unknown flags of elements', binary(section(9, 1, 8)), 11),
    of('INVALID_FLAGS', 'unknown flags of data', binary(section(11, 1, 3)), 11),
    of('INVALID_FLAGS', 'an unknown attribute of a tag', binary(type, section(13, 1, 1, 0)), 17),
    of('INVALID_INDEX', 'a function of no type', binary(section(3, 1, 0)), 11),
    of('INVALID_INDEX', 'an export of nothing', binary(section(7, 1, 0, 3, 0)), 11),
    of('INVALID_INDEX', 'a start function that is not there', binary(section(8, 0)), 10),
    of('INVALID_CONSTANT_EXPRESSION', 'a call in the value of a global', global(0x7f, 0x10, 0), 13),
    of('INVALID_CONSTANT_EXPRESSION', 'vector arithmetic in it', global(0x7b, 0xfd, 14), 13),
    of('COUNT_MISMATCH', 'more functions than bodies', binary(type, section(3, 1, 0), section(10, 0)), 21),
    of('COUNT_MISMATCH', 'functions without a code section', binary(type, section(3, 1, 0)), 18),
    of('COUNT_MISMATCH', 'fewer data segments than announced', binary(section(12, 1)), 11),
    of('DUPLICATE_EXPORT', 'two exports of one name', binary(section(5, 1, 0, 1), section(7, 2, 0, 2, 0, 0, 2, 0)), 19),
    of('MEMORY64_NOT_SUPPORTED', 'a memory with 64-bit addresses', wat('(module (memory i64 1))'), 11),
    of('MEMORY64_NOT_SUPPORTED', 'a table with 64-bit indices', binary(section(4, 1, 0x70, 4, 1)), 11),
    of('SHARED_MEMORY_NOT_SUPPORTED', 'a memory for threads', wat('(module (memory 1 2 shared))'), 11),
    gc('a structure', section(1, 1, 0x5f, 0)),
    gc('an array', section(1, 1, 0x5e, 0x7f, 0)),
    gc('a recursive group', section(1, 1, 0x4e, 0)),
    gc('a typed reference', section(1, 1, 0x60, 1, 0x63, 0)),
    gc('a table with an initializer', section(4, 1, 0x40, 0, 0x70, 0, 1)),
    gc('an allocation in the value of a global', section(6, 1, 0x6f, 0, 0xfb, 0, 0, 0x0b)),
    gc('a null of such a type', section(6, 1, 0x6f, 0, 0xd0, 0x6e, 0x0b)),
    past('TOO_MANY_TYPES', { types: 1 }, '(module (type (func)) (type (func (param i32))))'),
    past('TOO_MANY_PARAMETERS', { parameters: 2 }, '(module (type (func (param i32 i32 i32))))'),
    past('TOO_MANY_PARAMETERS', { parameters: 2 }, '(module (type (func (result i32 i32 i32))))'),
    past('TOO_MANY_IMPORTS', { imports: 1 }, '(module (import "a" "a" (func)) (import "a" "b" (func)))'),
    past('TOO_MANY_FUNCTIONS', { functions: 1 }, '(module (func) (func))'),
    past('TOO_MANY_TABLES', { tables: 1 }, '(module (table 0 funcref) (table 0 funcref))'),
    past('TOO_MANY_TABLES', { tables: 0 }, '(module (import "a" "t" (table 0 funcref)))'),
    past('TABLE_TOO_LARGE', { tableElements: 5 }, '(module (table 3 funcref) (table 3 funcref))'),
    past('TABLE_TOO_LARGE', { tableElements: 1 }, '(module (func) (elem func 0 0))'),
    past('TOO_MANY_MEMORIES', { memories: 1 }, '(module (memory 1) (memory 1))'),
    past('TOO_MANY_MEMORIES', { memories: 1 }, '(module (import "a" "m" (memory 1)) (memory 1))'),
    past('MEMORY_TOO_LARGE', { memoryPages: 1 }, '(module (memory 2))'),
    past('TOO_MANY_TAGS', { tags: 1 }, '(module (tag) (tag))'),
    past('TOO_MANY_GLOBALS', { globals: 1 }, '(module (global i32 (i32.const 0)) (global i32 (i32.const 0)))'),
    past('TOO_MANY_EXPORTS', { exports: 1 }, '(module (func (export "a") (export "b")))'),
    past('TOO_MANY_ELEMENT_SEGMENTS', { elementSegments: 1 }, '(module (elem func) (elem func))'),
    past('TOO_MANY_DATA_SEGMENTS', { dataSegments: 1 }, '(module (memory 1) (data "") (data ""))'),
    {
      ...of('TOO_MANY_CUSTOM_SECTIONS', 'past their limit', binary(custom('a'), custom('b'))),
      limits: { customSections: 1 },
    },
    past('TOO_MANY_LOCALS', { localsPerFunction: 2 }, '(module (func (local i32 i64 i32)))'),
    past('TOO_MANY_LOCALS', { localsInAll: 2 }, '(module (func (local i32)) (func (local i32 i64)))'),
    past('DATA_TOO_LARGE', { dataBytes: 4 }, '(module (memory 1) (data "abc") (data "de"))'),
    {
      ...of('CUSTOM_SECTIONS_TOO_LARGE', 'past their bytes', binary(custom('a', 1, 2), custom('b', 3))),
      limits: { customBytes: 2 },
    },
    past('NESTING_TOO_DEEP', { nesting: 2 }, '(module (func (block (loop (block)))))'),
    {
      ...of(
        'UNKNOWN_INSTRUCTION',
        'an opcode nobody has defined, in a body that has to be decoded',
        binary(type, section(3, 1, 0), section(10, 1, 10, 0, 2, 0x40, 0xff, 2, 2, 0x40, 11, 11, 11)),
      ),
      limits: { nesting: 2 },
    },
    past('FUNCTION_TOO_LARGE', { functionBytes: 3 }, '(module (func nop nop))'),
    past('NAME_TOO_LONG', { nameBytes: 3 }, '(module (func (export "four")))'),
    past('NAMES_TOO_LONG', { nameBytesInAll: 6 }, '(module (func (export "abc") (export "def")))'),
  ];
}

function wat(text: string): Uint8Array {
  const module = wabt.parseWat('module.wat', text, FEATURES);
  try {
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** A module of hand-written sections, for what no assembler would write. The header takes bytes 0 to 7. */
function binary(...sections: number[][]): Uint8Array {
  return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
}

/** Its id and length take a byte each. */
function section(id: number, ...content: number[]): number[] {
  return [id, content.length, ...content];
}

function custom(name: string, ...content: number[]): number[] {
  return section(0, name.length, ...new TextEncoder().encode(name), ...content);
}

/** One global whose initial value starts at byte 13. */
function global(type: number, ...value: number[]): Uint8Array {
  return binary(section(6, 1, type, 0, ...value, 0x0b));
}
