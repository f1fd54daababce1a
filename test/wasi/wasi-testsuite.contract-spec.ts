import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseEnvironment } from '../../src/config/index.js';
import { SandboxService, type RunReport } from '../../src/execution/index.js';
import { engine, type LinearMemory } from '../../src/execution/sandbox/engine.js';
import { WasiHost } from '../../src/execution/sandbox/wasi-host.js';
import type { BlobStore } from '../../src/storage/index.js';

/**
 * The official WASI test suite, preview 1, as far as it needs no files; README.md beside the sources lists what is left
 * out and why. Every test runs twice: against the host itself, with the arguments, variables and exact output its
 * `.json` asks for, and, where it asks for none of those, in a sandbox process behind all its walls.
 */
const FIXTURES = fileURLToPath(new URL('../../../test/wasi/fixtures/', import.meta.url));

interface Expectation {
  args?: string[];
  env?: Record<string, string>;
  stdout?: string;
  exit_code?: number;
}

const tests = ['assemblyscript', 'c', 'rust'].flatMap((language) =>
  readdirSync(`${FIXTURES}${language}`)
    .filter((file) => file.endsWith('.wasm'))
    .map((file) => {
      const path = `${FIXTURES}${language}/${file}`;
      const json = path.replace(/wasm$/, 'json');
      const expected = (existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : {}) as Expectation;
      return { name: `${language}/${file.slice(0, -5)}`, wasm: readFileSync(path), expected };
    }),
);

const config = parseEnvironment({});

it('has every test its README promises', () => {
  expect(tests).toHaveLength(23);
});

describe('the WASI host', () => {
  it.each(tests)('passes $name', ({ wasm, expected }) => {
    expect(runCommand(wasm, expected)).toEqual({
      code: expected.exit_code ?? 0,
      stdout: expected.stdout ?? expect.anything(),
    });
  });
});

describe('the sandbox', () => {
  const blobs = new Map(tests.map(({ wasm }) => [sha256(wasm), wasm]));
  const store = { read: async (ref: string) => blobs.get(ref) } as unknown as BlobStore;
  const sandbox = new SandboxService(store, config.sandbox, config.tasks);
  beforeAll(() => sandbox.onModuleInit());
  afterAll(() => sandbox.onApplicationShutdown());

  const plain = tests.filter(({ expected }) => !expected.args && !expected.env);
  it.each(plain)('passes $name', async ({ wasm, expected }) => {
    const hash = sha256(wasm);
    const report = await sandbox.run({ binary: { sha256: hash, ref: hash }, input: '', timeoutMs: 20_000 });
    expect(exitCode(report)).toBe(expected.exit_code ?? 0);
    if (expected.stdout) expect(report.metering.bytesOut).toBe(expected.stdout.length);
  });
});

/** The suite's programs write no JSON: one that ends well ends as `invalid_output`, which exit code 0 precedes. */
function exitCode({ outcome }: RunReport): number | RunReport['outcome'] {
  if (outcome.end === 'invalid_output') return 0;
  return outcome.end === 'exited' ? outcome.code : outcome;
}

/** Runs a command as the suite's own runner does: with these arguments and variables, and nothing on standard input. */
function runCommand(wasm: Buffer, { args = [], env = {} }: Expectation): { code: number | string; stdout: string } {
  const limits = config.sandbox;
  const host = new WasiHost(
    { input: new Uint8Array(0), environment: env, timeoutMs: 20_000, limits, onLog: () => {} },
    ['test.wasm', ...args],
  );
  const { exports } = new engine.Instance(new engine.Module(wasm), host.imports());
  host.memory.attach(exports['memory'] as LinearMemory);
  const ending = (code: number | string) => ({ code, stdout: Buffer.from(host.stdout).toString() });
  try {
    (exports['_start'] as () => void)();
    return ending(0);
  } catch (error) {
    const how = host.ended?.how;
    return ending(how?.end === 'exit' ? how.code : `${how?.end ?? String(error)}: ${host.stderr.tail}`);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
