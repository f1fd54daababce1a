import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../../src/config/index.js';
import { SandboxService } from '../../src/execution/index.js';

const CLI = fileURLToPath(new URL('../../bin/agent.js', import.meta.url));
const BUNDLER = fileURLToPath(new URL('../../../examples/agents/python/bundle.mjs', import.meta.url));
const FEATURES = fileURLToPath(new URL('../../../test/fixtures/python/features.py', import.meta.url));

/** One agent with several abilities: bundling takes a second. */
const SEVERAL = `import importlib, random, sys
from helper import double
from shapes.round import area

def ratio(a, b):
    return a / b

def agent(input):
    match input['do']:
        case 'fail':
            print('dividing')
            return ratio(1, 0)
        case 'use modules':
            return [double(4), round(area(1), 2)]
        case 'import later':
            import difflib
            return [difflib.get_close_matches('appel', ['apple']), importlib.import_module('tomllib').__name__]
        case 'draw':
            return str(random.getrandbits(64))
        case 'refuse':
            print('I need a number.')
            sys.exit(65)
        case 'grow':
            return len([bytearray(1 << 20) for _ in range(1000)])
        case 'count':
            return len(input['text'])
        case 'hash':
            return [sys.hash_info.algorithm, hash('a')]
`;

describe('agents in Python', () => {
  let dir: string;
  const path = (name: string): string => join(dir, name);
  const environment = parseEnvironment({});
  const blobs = { read: (ref: string) => readFile(path(ref)) };
  const sandbox = new SandboxService(blobs, environment.sandbox, environment.tasks);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'zerostate-python-'));
    await sandbox.onModuleInit();
    await mkdir(path('shapes/round'), { recursive: true });
    await writeFile(path('helper.py'), 'def double(x):\n    return 2 * x\n');
    await writeFile(path('shapes/round/__init__.py'), 'from .circle import area\n');
    await writeFile(path('shapes/round/circle.py'), 'import math\n\ndef area(r):\n    return math.pi * r * r\n');
    await bundled('several', SEVERAL, { more: ['helper.py', 'shapes'] });
  });
  afterAll(async () => {
    await sandbox.onApplicationShutdown();
    await rm(dir, { recursive: true, force: true });
  });

  async function node(args: string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env }, cwd: dir, stdio: 'pipe' });
    const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, out, error };
  }

  async function bundled(name: string, source: string | Buffer, { more = [] as string[], env = {} } = {}) {
    await writeFile(path(`${name}.py`), source);
    return node([BUNDLER, `${name}.py`, ...more, `${name}.wasm`], env);
  }

  async function run(name: string, input: unknown, timeoutMs = 30_000) {
    const ref = `${name}.wasm`;
    const sha256 = createHash('sha256')
      .update(await readFile(path(ref)))
      .digest('hex');
    const log: string[] = [];
    const { outcome } = await sandbox.run({
      binary: { sha256, ref },
      input: JSON.stringify(input),
      timeoutMs,
      environment: { ZEROSTATE_ATTEMPT: '1' },
      onLog: (line) => log.push(line),
    });
    return { outcome, log, result: outcome.end === 'completed' ? JSON.parse((outcome as any).output) : undefined };
  }

  it('have the language and the library that programmers expect, and end deep recursion with RecursionError', async () => {
    expect(await node([BUNDLER, FEATURES, 'features.wasm'])).toMatchObject({ code: 0, error: '' });
    const { result, log } = await run('features', {}, 60_000);
    expect(result).toEqual({ checks: 36, failed: {} });
    expect(log).toEqual(['WARNING:root:a warning']);
  });

  it('write print to the log, and tracebacks with their source lines', async () => {
    const { outcome, log } = await run('several', { do: 'fail' });
    expect(outcome).toMatchObject({ end: 'exited', code: 1 });
    expect(log[0]).toBe('dividing');
    expect(log).toEqual(expect.arrayContaining(['    return a / b', 'ZeroDivisionError: division by zero']));
    expect(log.join('\n')).not.toContain('boot');
  });

  it('bring modules and packages, and import library modules inside functions and by name', async () => {
    expect(await run('several', { do: 'use modules' })).toMatchObject({ result: [8, 3.14] });
    expect(await run('several', { do: 'import later' })).toMatchObject({ result: [['apple'], 'tomllib'] });
  });

  it('draw other random numbers in each run', async () => {
    const [first, second] = [await run('several', { do: 'draw' }), await run('several', { do: 'draw' })];
    expect(first.result).toMatch(/^\d+$/);
    expect(first.result).not.toBe(second.result);
  });

  it('refuse input with exit code 65 and their reason in the log', async () => {
    expect(await run('several', { do: 'refuse' })).toMatchObject({
      outcome: { end: 'input_refused' },
      log: ['I need a number.'],
    });
  });

  it('end as out_of_memory when memory runs out, and take 13.5 MB of input', async () => {
    expect(await run('several', { do: 'grow' })).toMatchObject({ outcome: { end: 'out_of_memory' } });
    const text = 'x'.repeat(13_500_000);
    expect(await run('several', { do: 'count', text })).toMatchObject({ result: 13_500_000 });
  });

  it('may be programs of standard input and output, bundled and validated by the command line', async () => {
    await writeFile(
      path('program.py'),
      'import json, sys\ntask = json.load(sys.stdin)\nprint("counted", file=sys.stderr)\njson.dump(len(task), sys.stdout)\n',
    );
    expect(await node([CLI, 'bundle', 'program.py'])).toMatchObject({ code: 0, out: 'program.wasm is ready.\n' });
    expect(await run('program', [1, 2, 3])).toMatchObject({ result: 3, log: ['counted'] });
  });

  it('are well inside the limits of a server, and export and import nothing but what a WASI command needs', async () => {
    const { code, out } = await node([CLI, 'validate', 'several.wasm', '--json']);
    expect(code).toBe(0);
    const { report } = JSON.parse(out);
    expect(report).toMatchObject({
      is_valid: true,
      functions_count: 5880,
      table_size: 3888,
      imported_modules: ['wasi_snapshot_preview1'],
      exports: [{ name: 'memory' }, { name: '_start', type: '() -> ()' }],
      globals_count: 1,
      start_function: null,
      custom_sections: [],
      details: { tables_count: 1, element_segments: 1 },
    });
  });

  it('hash strings with a seed of their own, so that keys that collide cannot be prepared without the binary', async () => {
    await bundled('other', SEVERAL, { more: ['helper.py', 'shapes'] });
    const [first, again] = [await run('several', { do: 'hash' }), await run('several', { do: 'hash' })];
    expect(first.result).toEqual(['siphash13', expect.any(Number)]);
    expect(again.result).toEqual(first.result);
    expect((await run('other', { do: 'hash' })).result[1]).not.toBe(first.result[1]);
  });

  it('come from a runtime that was built from the sources beside it', async () => {
    const sums = await readFile(join(dirname(BUNDLER), 'SHA256SUMS'), 'utf8');
    const lines = sums
      .trim()
      .split('\n')
      .map((line) => line.split('  '));
    expect(lines.map(([, name]) => name)).toEqual(['boot.py', 'freeze.py', 'runtime.c', 'zones.py', 'python.wasm']);
    for (const [sum, name] of lines) {
      const bytes = await readFile(join(dirname(BUNDLER), name));
      expect({ name, sum: createHash('sha256').update(bytes).digest('hex') }).toEqual({ name, sum });
    }
  });

  it('are the same bytes for the same script when SOURCE_DATE_EPOCH is set', async () => {
    const source =
      'import random, uuid\nTABLE = [random.random(), uuid.uuid4()]\n\ndef agent(input):\n    return None\n';
    const binaries: Buffer[] = [];
    for (let i = 0; i < 2; i++) {
      await bundled('same', source, { env: { SOURCE_DATE_EPOCH: '1700000000' } });
      binaries.push(await readFile(path('same.wasm')));
    }
    expect(binaries[0].equals(binaries[1])).toBe(true);
  });

  it.each([
    ['a syntax error', 'def agent(input):\n    return (1\n', ['File "broken.py", line 2', "'(' was never closed"]],
    ['an import that is missing', 'import numpy\n\ndef agent(input):\n    pass\n', ['line 1', 'numpy']],
    ['an exception at the top level', 'x = {}["a"]\n\ndef agent(input):\n    pass\n', ['x = {}["a"]', "KeyError: 'a'"]],
    ['a value in the place of the function', 'agent = 5\n', ['"agent" must be a function']],
  ])('are not made of a script with %s', async (_, source, expected) => {
    const { code, error } = await bundled('broken', source);
    expect(code).toBe(1);
    for (const part of [...expected, 'no agent was made']) expect(error).toContain(part);
  });

  it('warn at bundling of imports that will fail and of values that all tasks share', async () => {
    const source =
      'import datetime\nNOW = datetime.datetime.now()\n\ndef agent(input):\n    import socket\n    return str(datetime.datetime.now())\n';
    const { code, error } = await bundled('surprises', source);
    expect(code).toBe(0);
    expect(error.trim().split('\n')).toEqual([
      'surprises.py:2: warning: datetime.datetime.now() runs at bundling; each task sees that value.',
      'surprises.py:5: warning: socket is not in this runtime; the import will fail.',
    ]);
  });

  it('are refused by the bundler with a reason when the file is not a script', async () => {
    expect(await bundled('latin', Buffer.from('# caf\xe9\n', 'latin1'))).toMatchObject({
      code: 2,
      error: 'latin.py is not UTF-8.\n',
    });
    expect(await node([CLI, 'bundle', 'agent.pl'])).toMatchObject({
      code: 2,
      error: expect.stringContaining('Known file extensions: .py, .js, .rb.'),
    });
  });
});
