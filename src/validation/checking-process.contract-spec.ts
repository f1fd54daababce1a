import { spawn } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import wabtInit from 'wabt';
import { componentAgent } from '../../test/support/components.js';
import { parseEnvironment } from '../config/index.js';
import { CheckingProcess } from './checking-process.js';
import type { CheckAnswer } from './check/exchange.js';
import type { CheckOutcome } from './module-check.js';
import { moduleLimits } from './module-limits.js';
import { walkComponent } from './wasm/component-walker.js';
import { walkModule } from './wasm/section-walker.js';

const wabt = await wabtInit();
const LIMITS = moduleLimits(parseEnvironment({}).validation);
const AGENT = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global i32 (i32.const 7))
  (func (export "_start"))
  (func)
  (data (i32.const 0) "hello"))`;

/** Answers every request with what it was told to say. */
const LIAR = `process.stdin.once('data', () => process.stdout.write(process.argv[1]))`;

const bytes = wabt.parseWat('agent.wat', AGENT).toBinary({ write_debug_names: true }).buffer;
const honest = (): CheckAnswer => ({ module: walkModule(bytes, LIMITS).module, refusal: null });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checking-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function outcomeOf(said: string, file: Uint8Array = bytes): Promise<CheckOutcome> {
  const path = join(folder, 'module.wasm');
  await writeFile(path, file);
  const binary = await open(path);
  const liar = spawn(process.execPath, ['-e', LIAR, said], { stdio: 'pipe', detached: true });
  const checking = new CheckingProcess(liar);
  try {
    return await checking.check(binary, file.length, LIMITS, 30_000);
  } finally {
    checking.kill();
    await checking.ended;
    await binary.close();
  }
}

const refusalOf = (code: string) => ({ code, message: 'No.', offset: null });

type Change = (answer: Record<string, any>) => void;

const forged = (change: Change): string => {
  const answer = honest() as unknown as Record<string, any>;
  change(answer);
  return `${JSON.stringify(answer)}\n`;
};

describe('the answer of a checking process', () => {
  it('is believed when it describes the module', async () => {
    expect(await outcomeOf(forged(() => undefined))).toEqual({ end: 'answered', answer: honest() });
  });

  const NOT_AN_ANSWER: [string, string][] = [
    ['is no JSON', 'yes\n'],
    ['is no object', '[]\n'],
    ['lacks a member', forged(({ module }) => delete module.imports)],
    ['has a member too many', forged((answer) => (answer.trusted = true))],
    ['counts below zero', forged(({ module }) => (module.functions = -1))],
    ['counts in text', forged(({ module }) => (module.globals = '1'))],
    ['has a name that a terminal obeys', forged(({ module }) => (module.exports[0].name = '\u001b[2J'))],
    ['has half a surrogate pair', forged(({ module }) => (module.exports[0].name = '\ud800'))],
    ['has a kind that does not exist', forged(({ module }) => (module.imports[0].kind = 'syscall'))],
    ['refuses for a reason that does not exist', forged((answer) => (answer.refusal = refusalOf('BECAUSE')))],
  ];

  it.each(NOT_AN_ANSWER)('counts as a crash when it %s', async (_, said) => {
    expect(await outcomeOf(said)).toEqual({ end: 'crashed', how: 'it sent no answer of a check' });
  });

  it.each<[string, Change]>([
    ['functions', ({ module }) => (module.functions = 1)],
    ['imports', ({ module }) => (module.imports = [])],
    ['exports', ({ module }) => module.exports.pop()],
    ['memory', ({ module }) => (module.memory = null)],
    ['globals', ({ module }) => (module.globals = 0)],
    ['start function', ({ module }) => (module.startFunction = 0)],
    ['data segments', ({ module }) => (module.dataSegments = 2)],
    ['bytes of data', ({ module }) => (module.details.dataBytes = 1_000_000)],
    ['custom sections', ({ module }) => (module.customSections = [])],
    ['version', ({ module }) => (module.version = null)],
  ])('counts as a crash when the file has other %s', async (fact, change) => {
    expect(await outcomeOf(forged(change))).toEqual({
      end: 'crashed',
      how: `its answer does not fit the file: ${fact}`,
    });
  });

  it('counts as a crash when it takes a component for a module, a module for a component, or a component for another', async () => {
    const claims = (how: string) => ({ end: 'crashed', how: `its answer does not fit the file: ${how}` });
    const wasm = componentAgent();
    const { module } = walkComponent(wasm, LIMITS);
    const saying = (change: Change) => {
      const answer = { module: structuredClone(module), refusal: null };
      change(answer);
      return `${JSON.stringify(answer)}\n`;
    };
    expect(
      (
        await outcomeOf(
          saying(() => undefined),
          wasm,
        )
      ).end,
    ).toBe('answered');
    expect(
      await outcomeOf(
        forged(() => undefined),
        wasm,
      ),
    ).toEqual(claims('the file is a component'));
    expect(await outcomeOf(saying(() => undefined))).toEqual(claims('the file is no component'));
    const changed: [string, Change][] = [
      ['exports', (answer) => answer.module.exports.push(answer.module.exports[0])],
      ['core modules', (answer) => (answer.module.component.coreModules = [])],
    ];
    for (const [fact, change] of changed) expect(await outcomeOf(saying(change), wasm)).toEqual(claims(fact));
  });

  it.each<[string, Uint8Array]>([
    ['is no WebAssembly', Buffer.from('#!/bin/sh\n')],
    ['ends in the middle of a section', bytes.subarray(0, bytes.length - 3)],
  ])('counts as a crash when it finds a file good that %s', async (_, file) => {
    const how = 'its answer does not fit the file: the file is no module or component with whole sections';
    expect(
      await outcomeOf(
        forged(() => undefined),
        file,
      ),
    ).toEqual({ end: 'crashed', how });
  });
});
