import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import wabtInit from 'wabt';
import { parseEnvironment } from '../config/environment.js';
import type { ValidationReport } from './validation-report.dto.js';
import { type StoredBinary, WasmValidator } from './wasm-validator.js';

const wabt = await wabtInit();

const AGENT = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2 10)
  (table 3 funcref)
  (global i32 (i32.const 7))
  (func (export "_start"))
  (data (i32.const 0) "hello"))`;

describe('WasmValidator', () => {
  let folder: string;
  let validator: WasmValidator;
  let impatient: WasmValidator;
  let deep: WasmValidator;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'validator-'));
    validator = await start({ VALIDATION_TIMEOUT_MS: '30000', VALIDATION_MAX_FUNCTIONS: '1000' });
    deep = await start({ VALIDATION_TIMEOUT_MS: '30000', VALIDATION_MAX_NESTING: '100000' });
    impatient = await start({ VALIDATION_TIMEOUT_MS: '500', VALIDATION_MAX_NESTING: '100000' });
  });

  afterAll(async () => {
    await validator.onApplicationShutdown();
    await impatient.onApplicationShutdown();
    await deep.onApplicationShutdown();
    await rm(folder, { recursive: true });
  });

  it('reports what a valid agent needs and offers', async () => {
    const bytes = wat(AGENT);
    expect(await validate(bytes)).toEqual({
      is_valid: true,
      error: null,
      form: 'module',
      wasm_version: 1,
      imports: [
        {
          module: 'wasi_snapshot_preview1',
          name: 'fd_write',
          kind: 'function',
          type: '(i32, i32, i32, i32) -> (i32)',
        },
      ],
      imported_modules: ['wasi_snapshot_preview1'],
      exports: [
        { name: 'memory', kind: 'memory', type: '2..10' },
        { name: '_start', kind: 'function', type: '() -> ()' },
      ],
      exported_functions: ['_start'],
      memory: { min_pages: 2, max_pages: 10, shared: false, is_64: false },
      table_size: 3,
      globals_count: 1,
      functions_count: 1,
      data_segments: 1,
      custom_sections: [],
      start_function: null,
      details: {
        types_count: 2,
        tables_count: 1,
        tags_count: 0,
        element_segments: 0,
        locals_count: 0,
        code_bytes: 2,
        data_bytes: 5,
        custom_bytes: 0,
        largest_function: { index: 1, bytes: 2 },
      },
      component: null,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    } satisfies ValidationReport);
  });

  it('refuses what the walker refuses, with the limits of its configuration', async () => {
    expect(await validate(wat(`(module ${'(func)'.repeat(1001)})`))).toMatchObject({
      is_valid: false,
      error: { code: 'TOO_MANY_FUNCTIONS', message: expect.stringContaining('the limit is 1000') },
      functions_count: 1001,
    });
    expect(await validate(new Uint8Array())).toMatchObject({ is_valid: false, error: { code: 'EMPTY_FILE' }, size: 0 });
  });

  it('refuses what only the engine finds', async () => {
    expect(await validate(wat('(module (func (export "_start") i32.add drop))'))).toMatchObject({
      is_valid: false,
      error: { code: 'INVALID_MODULE', message: expect.stringContaining('i32.add') },
      exported_functions: ['_start'],
    });
  });

  it('refuses a valid module that is no agent', async () => {
    const report = await validate(wat('(module (import "env" "fork" (func)))'));
    expect(report).toMatchObject({ is_valid: false, error: { code: 'UNKNOWN_IMPORT' }, imported_modules: ['env'] });
  });

  it('keeps millions of locals from the engine', async () => {
    const tenThousandLocals = Uint8Array.from([1, 0x90, 0x4e, 0x7f, 0x0b]);
    const report = await validate(functions([0x60, 0, 0], 500, tenThousandLocals));
    expect(report).toMatchObject({ is_valid: false, error: { code: 'TOO_MANY_LOCALS' } });
  });

  it('refuses a module that keeps the engine busy past the deadline', async () => {
    const report = await impatient.validate(await store(wideBranches(2000, 1500)), 'owner');
    expect(report).toMatchObject({ is_valid: false, error: { code: 'VALIDATION_TIMED_OUT' }, wasm_version: null });
  });

  it('refuses a module that takes the engine more memory than there is', async () => {
    const bytes = wideBranches(60_000, 1);
    expect((await validate(bytes)).error?.code).toBe('NESTING_TOO_DEEP');
    const report = await deep.validate(await store(bytes), 'owner');
    expect(report).toMatchObject({ is_valid: false, error: { code: 'VALIDATION_CRASHED' }, size: bytes.length });
    expect(report.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('validates many binaries at the same time', async () => {
    const good = await store(wat(AGENT));
    const bad = await store(new TextEncoder().encode('no module at all'));
    const reports = await Promise.all(
      Array.from({ length: 8 }, (_, i) => validator.validate(i % 2 ? bad : good, 'owner')),
    );
    expect(reports.map((report) => report.error?.code)).toEqual(
      reports.map((_, i) => (i % 2 ? 'NOT_WASM' : undefined)),
    );
  });

  it('throws for a file that is not there, which is no fault of a binary', async () => {
    const missing = { path: join(folder, 'missing'), size: 1, sha256: '0'.repeat(64) };
    await expect(validator.validate(missing, 'owner')).rejects.toThrow('ENOENT');
  });

  async function validate(bytes: Uint8Array): Promise<ValidationReport> {
    return validator.validate(await store(bytes), 'owner');
  }

  let stored = 0;
  async function store(bytes: Uint8Array): Promise<StoredBinary> {
    const path = join(folder, `${stored++}.wasm`);
    await writeFile(path, bytes, { mode: 0o600 });
    return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
});

async function start(variables: NodeJS.ProcessEnv): Promise<WasmValidator> {
  const validator = new WasmValidator(parseEnvironment(variables).validation);
  await validator.onModuleInit();
  return validator;
}

function wat(text: string): Uint8Array {
  return wabt.parseWat('module.wat', text).toBinary({}).buffer;
}

/**
 * Valid, within every limit of the walker, and quadratic for the engine: `depth` nested blocks of 1000 results each, and
 * a branch to any of them, whose 1000 values are compared for each target.
 */
function wideBranches(depth: number, count: number): Uint8Array {
  const results = Array<number>(1000).fill(0x7f);
  const block = [0x02, 0x00];
  const body = [
    0,
    ...Array<number[]>(depth).fill(block).flat(),
    ...Array<number[]>(1001).fill([0x41, 0x00]).flat(),
    0x0e,
    ...leb(depth - 1),
    ...Array.from({ length: depth }, (_, target) => leb(target)).flat(),
    ...Array<number>(depth).fill(0x0b),
    0x00,
    0x0b,
  ];
  return functions([0x60, 0, ...leb(results.length), ...results], count, Uint8Array.from(body));
}

/** A module of `count` equal functions of one type. */
function functions(type: number[], count: number, body: Uint8Array): Uint8Array {
  const bodies = Buffer.concat(
    Array<Uint8Array[]>(count)
      .fill([Uint8Array.from(leb(body.length)), body])
      .flat(),
  );
  return Buffer.concat([
    Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, [1, ...type]),
    section(3, [...leb(count), ...Array<number>(count).fill(0)]),
    section(10, leb(count), bodies),
  ]);
}

function section(id: number, start: number[], rest: Uint8Array = new Uint8Array()): Uint8Array {
  const head = [id, ...leb(start.length + rest.length), ...start];
  return Buffer.concat([Uint8Array.from(head), rest]);
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}
