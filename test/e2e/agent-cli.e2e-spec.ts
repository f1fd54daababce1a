import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { runCommand } from '../../src/agent-cli/run-command.js';
import { ensureInstalled } from '../support/apt.js';
import { agent, echo, endless, good, trapping } from './agents.js';
import { caller, callOf } from './host-call-agents.js';

const MAIN = fileURLToPath(new URL('../../bin/agent.js', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../../../examples/agents/javascript/bundle.mjs', import.meta.url));

const CALLING = fileURLToPath(new URL('../../../examples/agents/calling-the-host/', import.meta.url));

const LIB = fileURLToPath(new URL('../../../examples/agents/lib/', import.meta.url));

/** Debian's packages that an agent in C needs, and a file that is there once they are. */
const C_PACKAGES = {
  clang: '/usr/bin/clang',
  lld: '/usr/bin/wasm-ld',
  'wasi-libc': '/usr/lib/wasm32-wasi/libc.a',
  'libclang-rt-14-dev-wasm32': '/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a',
};

interface RunOptions {
  input?: string;
  env?: NodeJS.ProcessEnv;
  /** The person at the terminal. */
  answer?: (question: string) => Promise<string | null>;
}

const nobody = async (): Promise<null> => null;

/** A line of a stack trace. */
const STACK = /^\s+at /m;

describe('npm run agent', () => {
  let dir: string;
  const path = (name: string): string => join(dir, name);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'zerostate-agent-cli-'));
    const binaries = {
      good: good(),
      echo: echo(),
      endless: endless(),
      trapping: trapping(),
      caller: caller(),
      twice: caller(2),
      odd: agent('(call $write (i32.const 1) (i32.const 17) (i32.const 2))'),
    };
    for (const [name, wasm] of Object.entries(binaries)) await writeFile(path(`${name}.wasm`), await wasm);
    await writeFile(path('library.wasm'), Buffer.from('0061736d01000000', 'hex'));
    await writeFile(path('input.json'), '{"from":"a file"}');
  });

  const here = process.cwd();
  beforeAll(() => {
    Logger.overrideLogger(false);
    process.chdir(dir);
  });

  afterAll(async () => {
    process.chdir(here);
    await rm(dir, { recursive: true, force: true });
  });

  /** Runs a command in this process: to start one takes longer than what most commands do. */
  async function run(args: string[], { input = '', env = {}, answer = nobody }: RunOptions = {}) {
    const [out, error]: [string[], string[]] = [[], []];
    const code = await runCommand(args, {
      env: { PATH: process.env.PATH, ...env },
      readInput: () => Buffer.from(input),
      ask: answer,
      print: (line) => out.push(`${line}\n`),
      complain: (line) => error.push(`${line}\n`),
    });
    return { code, out: out.join(''), error: error.join('') };
  }

  async function runProcess(args: string[], input = '') {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH }, cwd: dir });
    child.stdin.end(input);
    child.stdin.on('error', () => undefined); // commands that read nothing may be gone by now
    const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, out, error };
  }

  it('is a program: results on standard output, reasons on standard error, an exit code', async () => {
    const [completed, refused, misused] = await Promise.all([
      runProcess(['run', 'echo.wasm', '--json', '--input', '-'], '{"a":1}'),
      runProcess(['validate', 'library.wasm']),
      runProcess(['build', 'good.wasm']),
    ]);
    expect([completed.code, JSON.parse(completed.out).outcome.output, completed.error]).toEqual([0, '{"a":1}', '']);
    expect(refused).toEqual({ code: 1, out: expect.stringContaining('MEMORY_MISSING'), error: '' });
    expect(misused).toEqual({ code: 2, out: '', error: expect.stringContaining('Unknown command "build".') });
  });

  it.each([
    ['JSON', ['--input', '{"from":"the command line"}'], '', { from: 'the command line' }],
    ['a file', ['--input', 'input.json'], '', { from: 'a file' }],
    ['standard input', ['--input', '-'], '{"from":"standard input"}', { from: 'standard input' }],
    ['nothing', [], '', {}],
  ])('reads the input from %s, and answers programs in JSON', async (_, options, input, expected) => {
    const { code, out, error } = await run(['run', 'echo.wasm', '--json', ...options], { input });
    expect({ code, error }).toEqual({ code: 0, error: '' });
    const report = JSON.parse(out);
    expect(JSON.parse(report.outcome.output)).toEqual(expected);
    expect(report).toMatchObject({
      outcome: { end: 'completed' },
      metering: { bytes_in: expect.any(Number), peak_memory_bytes: 2 * 64 * 1024 },
      limits: { timeout_ms: 30_000, memory_mb: 128, log_lines: 1000 },
      validation: { is_valid: true },
    });
    const validated = JSON.parse((await run(['validate', 'echo.wasm', '--json'])).out);
    expect([...keysOf(report), ...keysOf(validated)].filter((key) => /[A-Z]/.test(key))).toEqual([]);
  });

  it('takes an input that a task would bring by reference, up to the limit of those', async () => {
    const large = { input: JSON.stringify('x'.repeat(2e6)) };
    const taken = await run(['run', 'good.wasm', '--input', '-', '--json'], large);
    expect(JSON.parse(taken.out)).toMatchObject({ outcome: { end: 'completed' }, metering: { bytes_in: 2_000_002 } });
    const env = { MAX_INPUT_BLOB_BYTES: '2000001' };
    expect(await run(['run', 'good.wasm', '--input', '-'], { ...large, env })).toMatchObject({
      code: 2,
      error: expect.stringContaining('larger than 2000001 bytes (MAX_INPUT_BLOB_BYTES)'),
    });
  });

  it('shows why a JavaScript agent ends whose promise is never settled', async () => {
    await writeFile(path('never.js'), 'const agent = () => new Promise(() => undefined);');
    await once(spawn(process.execPath, [BUNDLE, path('never.js'), path('never.wasm')]), 'close');
    const { code, out } = await run(['run', 'never.wasm', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      outcome: { end: 'exited', code: 1 },
      log: [expect.stringContaining('is never settled')],
    });
  });

  it.each([
    ['a syntax error, with its line', 'function agent(input) {\n  return {;\n}\n', /SyntaxError[^]*bad\.js:2/],
    ['an import, with what to do', "import x from 'y';\n", /without `import` and `export`[^]*esbuild/],
    ['no function `agent`', 'const agents = 1;\n', /defines no function `agent`/],
  ])('has nothing to run where bundling a script finds %s', async (_, script, message) => {
    await writeFile(path('bad.js'), script);
    const bundle = spawn(process.execPath, [BUNDLE, 'bad.js', 'bad.wasm'], { cwd: dir });
    const [said, [code]] = await Promise.all([text(bundle.stderr), once(bundle, 'close')]);
    expect([code, existsSync(path('bad.wasm'))]).toEqual([1, false]);
    expect(said).toMatch(message);
  });

  describe('bundling a script', () => {
    beforeAll(async () => {
      for (const ending of ['js', 'py', 'rb']) await mkdir(path(`folder.${ending}`));
      await writeFile(path('sound.js'), 'const agent = () => 1;');
      await writeFile(path('sound.py'), 'def agent(input):\n    return 1\n');
      await writeFile(path('sound.rb'), 'def agent(input) = 1');
      await writeFile(path('latin1.js'), Buffer.from('const agent = () => "é";', 'latin1'));
    });

    it('makes a binary that a server accepts, under the name of the script', async () => {
      expect(await run(['bundle', 'sound.js'])).toEqual({ code: 0, out: 'sound.wasm is ready.\n', error: '' });
      expect((await run(['validate', 'sound.wasm'])).code).toBe(0);
    });

    it.each([
      ['functions', 'VALIDATION_MAX_FUNCTIONS', /✗ refused\.wasm would be refused: TOO_MANY_FUNCTIONS/],
      ['bytes', 'MAX_BINARY_BYTES', /✗ refused\.wasm would be refused: it has \d+ bytes.*at most 100 /],
    ])('makes none of which a server would refuse the %s', async (_, variable, reason) => {
      const { code, out, error } = await run(['bundle', 'sound.js', 'refused.wasm'], { env: { [variable]: '100' } });
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(error).toMatch(reason);
      expect(existsSync(path('refused.wasm'))).toBe(false);
    });

    it.each([
      ['a script that does not exist', ['none.js'], 'none.js does not exist.'],
      ['an output folder that does not exist', ['sound.js', 'no/a.wasm'], 'There is no folder no to write a.wasm to'],
      ['an output that is a folder', ['sound.js', 'folder.wasm'], 'folder.wasm cannot be written (EISDIR).'],
      ['another file beside JavaScript', ['sound.js', 'more.js', 'a.wasm'], 'What is "more.js"?'],
    ])('exits with 2 and one sentence for %s', async (_, args, reason) => {
      await mkdir(path('folder.wasm'), { recursive: true });
      const { code, out, error } = await run(['bundle', ...args]);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(error).toContain(reason);
      expect(error).not.toMatch(STACK);
      expect(error).not.toContain('Usage:');
    });

    it.each([
      ['javascript', 'none.js a.wasm', 'none.js does not exist.'],
      ['python', 'none.py a.wasm', 'none.py does not exist.'],
      ['ruby', 'none.rb a.wasm', 'none.rb does not exist.'],
      ['javascript', 'folder.js a.wasm', 'folder.js is a folder, not a script.'],
      ['python', 'folder.py a.wasm', 'folder.py is a folder, not a script.'],
      ['ruby', 'folder.rb a.wasm', 'folder.rb is a folder, not a script.'],
      ['javascript', 'latin1.js a.wasm', 'latin1.js is not UTF-8.'],
      ['python', 'sound.py none.py a.wasm', 'none.py does not exist.'],
      ['python', 'sound.py input.json a.wasm', 'input.json is neither a module (.py) nor the folder of a package.'],
      ['javascript', 'sound.js no/a.wasm', 'There is no folder no to write the binary to: create it first.'],
      ['python', 'sound.py no/a.wasm', 'There is no folder no to write the binary to: create it first.'],
      ['ruby', 'sound.rb no/a.wasm', 'There is no folder no to write the binary to: create it first.'],
    ])('in %s, by %s, says what is wrong in one sentence', async (language, args, reason) => {
      const bundler = fileURLToPath(new URL(`../../../examples/agents/${language}/bundle.mjs`, import.meta.url));
      const child = spawn(process.execPath, [bundler, ...args.split(' ')], { cwd: dir });
      const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
      expect([code, said.trim()]).toEqual([2, reason]);
    });
  });

  it('gives a JavaScript agent the usual globals, and lets it refuse its input', async () => {
    await writeFile(
      path('globals.js'),
      `async function agent(input) {
        if (input.bad) throw new InputRefused('It is bad.');
        await new Promise((resolve) => setTimeout(resolve, 5));
        const bytes = new TextEncoder().encode('grüß 😀');
        return { text: new TextDecoder().decode(bytes), base64: atob(btoa('any text')), big: String(2n ** 70n),
                 uuid: crypto.randomUUID().length, length: input.text?.length };
      }`,
    );
    await once(spawn(process.execPath, [BUNDLE, path('globals.js'), path('globals.wasm')]), 'close');
    const large = await run(['run', 'globals.wasm', '--json', '--input', '-'], {
      input: JSON.stringify({ text: 'x'.repeat(20e6) }),
    });
    expect(JSON.parse(JSON.parse(large.out).outcome.output)).toEqual({
      text: 'grüß 😀',
      base64: 'any text',
      big: '1180591620717411303424',
      uuid: 36,
      length: 20e6,
    });
    const refused = await run(['run', 'globals.wasm', '--json', '--input', '{"bad":true}']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out).outcome).toMatchObject({
      end: 'input_refused',
      stderr_tail: expect.stringContaining('It is bad.'),
    });
  });

  it('reports to a person what validation found, the result, and what was used of which limit', async () => {
    const { code, out } = await run(['run', 'good.wasm']);
    expect(code).toBe(0);
    const found = ['✓ good.wasm would be accepted.', 'functions', 'memory at start', 'wasi_snapshot_preview1.fd_write'];
    const used = [
      'wall time',
      'CPU time',
      'peak memory',
      'table elements',
      'stack',
      'system calls',
      'log lines',
      '64.0 KiB',
    ];
    for (const line of [...found, '✓ completed', '"ok": true', ...used]) expect(out).toContain(line);
  });

  it.each([
    ['is refused', ['validate', 'library.wasm'], 'MEMORY_MISSING'],
    ['is refused before it runs', ['run', 'library.wasm'], 'MEMORY_MISSING'],
    ['traps', ['run', 'trapping.wasm'], 'trapped'],
    ['runs out of time', ['run', 'endless.wasm', '--timeout', '300'], 'timed_out'],
    ['runs into the limits of its version', ['run', 'endless.wasm', '--limits', '{"cpu_ms":100}'], 'cpu_exhausted'],
    ['answers no JSON', ['run', 'odd.wasm'], 'invalid_output'],
  ])('exits with 1 when the agent %s', async (_, args, reason) => {
    const { code, out, error } = await run([...args, '--json']);
    const { outcome, report } = JSON.parse(out);
    expect([code, error, outcome?.end ?? report.error.code]).toEqual([1, '', reason]);
  });

  it('tells a person what to do about an agent that is refused or fails', async () => {
    const refused = await run(['validate', 'library.wasm']);
    expect(refused.code).toBe(1);
    expect(refused.out).toContain('✗ library.wasm would be refused: MEMORY_MISSING');
    const failed = await run(['run', 'odd.wasm']);
    expect(failed.code).toBe(1);
    expect(failed.out).toContain('Standard output must be one JSON document');
  });

  it.each([
    ['no such command', ['build', 'good.wasm'], 'Unknown command "build".'],
    ['no such file', ['run', 'none.wasm'], 'none.wasm cannot be read: ENOENT'],
    ['a folder', ['validate', '.'], '. is not a file'],
    ['a binary that comes through a pipe', ['validate', '/dev/stdin'], '/dev/stdin is not a file'],
    ['input that is no JSON', ['run', 'good.wasm', '--input', '-'], 'The input is not one JSON document'],
    ['more time than a task may ask for', ['run', 'good.wasm', '--timeout', '300001'], 'at most 300000'],
    ['an unknown limit', ['run', 'good.wasm', '--limits', '{"cpu":1}'], '--limits: cpu'],
    [
      'a limit above the server’s',
      ['run', 'good.wasm', '--limits', '{"memory_mb":129}'],
      'memory_mb must be at most 128',
    ],
    ['limits that are no JSON', ['run', 'good.wasm', '--limits', 'memory'], '--limits:'],
  ])('exits with 2 and says why for %s', async (_, args, reason) => {
    const { code, out, error } = await run(args, { input: 'hello' });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain(reason);
    // Only a command that cannot be read is followed by the usage, which would hide what is wrong with a file.
    expect(error.includes('Usage:')).toBe(reason.startsWith('Unknown command'));
  });

  describe('serving host calls', () => {
    /** Runs the agent that makes one call and answers the host's answer. */
    async function call(method: string, request: unknown, permissions: object, options: string[] = []) {
      const input = JSON.stringify(callOf(method, request));
      const args = ['run', 'caller.wasm', '--json', '--input', '-', '--permissions', JSON.stringify(permissions)];
      const { code, out, error } = await run([...args, ...options], { input });
      const report = code === 2 ? undefined : JSON.parse(out);
      return { code, error, report, answer: report && JSON.parse(report.outcome.output) };
    }

    it('keeps state in memory for a run, or in a file between runs', async () => {
      const put = await call('kv.put', { key: 'n', value: [1] }, { kv: {} }, ['--state', 'state.json']);
      expect([put.answer, put.error]).toEqual([{ revision: 1 }, '']);
      const kept = { revision: 1, entries: [{ key: 'n', value: [1], revision: 1, expires_at: null }] };
      expect(JSON.parse(await readFile(path('state.json'), 'utf8'))).toEqual(kept);
      const get = (options: string[]) => call('kv.get', { key: 'n' }, { kv: {} }, options);
      expect((await get(['--state', 'state.json'])).answer).toEqual({ value: [1], revision: 1 });
      expect((await get([])).answer).toEqual({ value: null, revision: 0 });
    });

    it('lists the calls with method, target, outcome, bytes and time', async () => {
      const llm = { llm: { models: ['small'] } };
      const request = { model: 'small', messages: [{ role: 'user', content: 'Hi' }] };
      const { report, answer } = await call('llm.chat', request, llm);
      expect(answer).toEqual({
        content: '[echo, not a model] Hi',
        model: 'small',
        usage: { input_tokens: 1, output_tokens: 6 },
      });
      const listed = { n: 0, method: 'llm.chat', target: 'small (echo, no model)', outcome: 'OK' };
      const measured = { request_bytes: 61, answer_bytes: 97, duration_ms: expect.any(Number) };
      expect(report).toMatchObject({ granted: ['llm'], host_calls: [{ ...listed, ...measured }] });
      const text = await run(['run', 'caller.wasm', '--input', '-', '--permissions', JSON.stringify(llm)], {
        input: JSON.stringify(callOf('llm.chat', request)),
      });
      expect(text.out).toMatch(
        /Host calls \(granted: llm;.*\n.*\n {2}llm\.chat +small \(echo, no model\) +OK +61 B +97 B/,
      );
    });

    it('answers a schema with the simplest document that fits', async () => {
      const properties = { team: { enum: ['billing', 'tech'] }, urgent: { type: 'boolean' }, tags: { type: 'array' } };
      const { answer } = await call(
        'llm.chat',
        { model: 'm', messages: [{ role: 'user', content: 'x' }], response_schema: { type: 'object', properties } },
        { llm: { models: ['m'] } },
      );
      expect(JSON.parse(answer.content)).toEqual({ team: 'billing', urgent: false, tags: [] });
    });

    it('shows partial results as they come, on standard error', async () => {
      const { answer, error, report } = await call('output.emit', { data: { percent: 30 } }, { output: true });
      expect([answer, error]).toEqual([{}, 'output.emit: {"percent":30}\n']);
      expect(report.host_calls).toMatchObject([{ method: 'output.emit', target: null, outcome: 'OK' }]);
    });

    it('takes canned answers from a file, and repeats a run from its record', async () => {
      const web = { http: { hosts: ['example.com'] } };
      const page = {
        method: 'http.fetch',
        request: { url: 'https://example.com/' },
        answer: { status: 200, body: 'A' },
      };
      await writeFile(path('mocks.json'), JSON.stringify([page]));
      const fetch = (url: string, options: string[]) => call('http.fetch', { url, headers: {} }, web, options);
      const first = await fetch('https://example.com/', ['--mock', 'mocks.json', '--record', 'record.json']);
      expect([first.answer, first.report.host_calls[0].target]).toEqual([page.answer, 'example.com (mock)']);
      const recorded = JSON.parse(await readFile(path('record.json'), 'utf8'));
      expect(recorded).toMatchObject([{ ...page, n: 0, outcome: 'OK' }]);
      expect((await fetch('https://example.com/', ['--mock', 'record.json'])).answer).toEqual(page.answer);
      const other = await fetch('https://example.com/other', ['--mock', 'record.json']);
      expect(other.answer.error).toEqual({
        code: 'NO_MOCK',
        message: expect.stringContaining('http.fetch GET https://example.com/other'),
      });
      await writeFile(
        path('failing.json'),
        JSON.stringify([{ ...page, answer: { error: { code: 'X', message: 'y' } } }]),
      );
      const failed = await fetch('https://example.com/', ['--mock', 'failing.json']);
      expect([failed.answer.error.code, failed.report.host_calls[0].outcome]).toEqual(['X', 'X']);
    });

    it.each([
      ['http.fetch', { url: 'https://example.com/' }, { http: { hosts: ['example.com'] } }, 'NO_MOCK'],
      ['http.fetch', { url: 'https://example.org/' }, { http: { hosts: ['example.com'] } }, 'HOST_NOT_ALLOWED'],
      [
        'http.fetch',
        { url: 'https://example.com/', method: 'post' },
        { http: { hosts: ['example.com'] } },
        'METHOD_NOT_ALLOWED',
      ],
      ['llm.embed', { model: 'large', input: ['a'] }, { llm: { models: ['small'] } }, 'MODEL_NOT_ALLOWED'],
      [
        'task.submit',
        { required_capabilities: ['b'], budget: 1, input: {} },
        { tasks: { capabilities: ['a'] } },
        'CAPABILITY_NOT_ALLOWED',
      ],
      ['task.wait', { id: 'a' }, { tasks: { capabilities: ['a'] } }, 'NO_MOCK'],
      ['kv.get', { key: 'a' }, { output: true }, 'NOT_PERMITTED'],
    ])('answers with an error that the agent reads: %s %j', async (method, request, permissions, code) => {
      const { answer, code: exitCode } = await call(method, request, permissions);
      expect([exitCode, answer]).toEqual([0, { error: { code, message: expect.any(String) } }]);
    });

    it.each([
      [['--permissions', '{"http":{"hosts":["*"]}}'], '--permissions: permissions.http.hosts each of hosts must be'],
      [['--permissions', '{"files":{}}'], '--permissions: permissions.files'],
      [['--permissions', '[]'], '--permissions: permissions a JSON object is expected'],
      [['--permissions', '{'], '--permissions: it is not JSON'],
      [['--permissions', 'none.json'], 'none.json cannot be read: ENOENT'],
      [['--permissions', '{"kv":{}}', '--mock', 'input.json'], '--mock: the file: '],
      [['--permissions', '{"kv":{}}', '--record', 'no/r.json'], '--record: there is no folder no'],
    ])('exits with 2 and says why for %j', async (options, reason) => {
      const { code, out, error } = await run(['run', 'caller.wasm', ...options]);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(error).toContain(reason);
    });

    it('exits with 1 where an upload would be refused, or the agent would not bid', async () => {
      const missing = await run(['run', 'caller.wasm']);
      expect([missing.code, missing.error]).toEqual([1, expect.stringContaining('refused: PERMISSIONS_MISSING')]);
      const narrow = await run(['run', 'caller.wasm', '--permissions', '{"kv":{}}', '--allow', 'http']);
      expect([narrow.code, narrow.error]).toEqual([
        1,
        expect.stringContaining('would not bid: its permissions name kv'),
      ]);
      const unoffered = await run(['run', 'caller.wasm', '--permissions', '{"kv":{}}'], {
        env: { HOST_CALLS: 'http' },
      });
      expect([unoffered.code, unoffered.error]).toEqual([
        2,
        expect.stringContaining('permissions.kv is not offered by this server: it offers http'),
      ]);
    });

    it.each([
      [
        'js',
        `function agent() {
          zerostate.emit({ percent: 50 });
          zerostate.kv.put('größe', 1, { if_revision: 0 });
          const failed = (work) => {
            try { work(); } catch (error) { if (error instanceof zerostate.CallError) return [error.code, error.message.length > 0]; }
          };
          return [
            zerostate.kv.get('größe'), zerostate.kv.list({ prefix: 'g' }).items.length, zerostate.kv.delete('größe'),
            zerostate.fetch('https://example.com/', { method: 'POST', body: 'x' }).body.length,
            zerostate.llm.chat({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] }).content,
            failed(() => zerostate.kv.put('größe', 1, { if_revision: 7 })), failed(() => zerostate.call('http.fetchh')),
            zerostate.wait(zerostate.submit({ required_capabilities: ['a'], budget: 1, input: {} }), { timeout_ms: 5 }).status,
          ];
        }`,
      ],
      [
        'py',
        `import zerostate
def failed(method, request):
    try:
        zerostate.call(method, request)
    except zerostate.CallError as error:
        return [error.code, len(error.message) > 0]
def agent(input):
    zerostate.emit({'percent': 50})
    zerostate.kv.put('größe', 1, if_revision=0)
    return [
        zerostate.kv.get('größe'), len(zerostate.kv.list(prefix='g')['items']), zerostate.kv.delete('größe'),
        len(zerostate.fetch('https://example.com/', method='POST', body='x')['body']),
        zerostate.llm.chat('m', [{'role': 'user', 'content': 'Hi'}])['content'],
        failed('kv.put', {'key': 'größe', 'value': 1, 'if_revision': 7}), failed('http.fetchh', {}),
        zerostate.wait(zerostate.submit(['a'], 1, {}), timeout_ms=5)['status'],
    ]
`,
      ],
    ])('reach a script by its functions, and a failed call by an exception: .%s', async (ending, script) => {
      await writeFile(path(`calling.${ending}`), script);
      expect((await run(['bundle', `calling.${ending}`])).code).toBe(0);
      const page = { method: 'http.fetch', request: { body: 'x' }, answer: { status: 200, body: 'x'.repeat(200_000) } };
      const hired = [
        { method: 'task.submit', request: { required_capabilities: ['a'], budget: 1 }, answer: { id: 't' } },
        { method: 'task.wait', request: { id: 't', timeout_ms: 5 }, answer: { id: 't', status: 'completed' } },
      ];
      await writeFile(path('page.json'), JSON.stringify([page, ...hired]));
      const http = { hosts: ['example.com'], methods: ['POST'] };
      const permissions = JSON.stringify({
        ...{ http, llm: { models: ['m'] }, kv: {}, output: true },
        tasks: { capabilities: ['a'] },
      });
      const args = ['run', 'calling.wasm', '--json', '--mock', 'page.json', '--permissions', permissions];
      const { out, error } = await run(args);
      expect([JSON.parse(JSON.parse(out).outcome.output), error]).toEqual([
        [
          ...[{ value: 1, revision: 1 }, 1, {}, 200_000, '[echo, not a model] Hi'],
          ...[
            ['REVISION_CONFLICT', true],
            ['NOT_PERMITTED', true],
          ],
          'completed',
        ],
        expect.stringMatching(/^output\.emit: \{"percent": ?50\}\n$/),
      ]);
    });

    it.each([
      ['counter.js', { kv: {} }, { name: 'Ada' }, { name: 'Ada', count: 1 }, []],
      [
        'triage.py',
        { llm: { models: ['small'] }, output: true },
        { tickets: ['I was charged twice.', 'Ignore this.'] },
        [
          { ticket: 'I was charged twice.', team: 'billing', urgent: true },
          { ticket: 'Ignore this.', team: 'other', urgent: true },
        ],
        ['output.emit: {"done":1,"of":2}', 'output.emit (final): {"done":2,"of":2}'],
      ],
      [
        'page-summary.js',
        { http: { hosts: ['example.com'] }, llm: { models: ['small'] }, output: true },
        { url: 'https://example.com/' },
        { url: 'https://example.com/', title: 'Example Domain', summary: 'It is for documents.' },
        ['output.emit: {"stage":"fetched","characters":82}'],
      ],
    ])('runs the example %s with its canned answers', async (script, permissions, input, result, emitted) => {
      expect((await run(['bundle', `${CALLING}${script}`, 'example.wasm'])).code).toBe(0);
      const options = ['--mock', `${CALLING}mocks.json`, '--permissions', JSON.stringify(permissions)];
      const { out, error } = await run(['run', 'example.wasm', '--json', '--input', JSON.stringify(input), ...options]);
      expect(JSON.parse(JSON.parse(out).outcome.output)).toEqual(result);
      expect(error.split('\n').filter(Boolean)).toEqual(emitted);
    });

    it('asks for answers on the command line, then at the terminal', async () => {
      expect((await run(['bundle', `${CALLING}researcher.js`, 'asking.wasm'])).code).toBe(0);
      const permissions = JSON.stringify({
        llm: { models: ['small'] },
        ask: true,
        tasks: { capabilities: ['summarise'] },
      });
      const options = ['--json', '--input', '{"topic":"Mercury"}', '--mock', `${CALLING}mocks.json`];
      const args = ['run', 'asking.wasm', ...options, '--permissions', permissions];
      const researched = async (more: string[], terminal: object = {}) => {
        const { out } = await run([...args, ...more], terminal);
        const { meaning, asked, text: words, summary } = JSON.parse(JSON.parse(out).outcome.output);
        return [meaning, asked, words, summary];
      };
      const metal = ['the metal', true, 'It is liquid at room temperature.', 'A liquid metal.'];
      expect(await researched(['--answer', 'the metal'])).toEqual(metal);
      const questions: string[] = [];
      const answer = async (question: string) => {
        questions.push(question);
        return 'the metal';
      };
      expect(await researched([], { answer })).toEqual(metal);
      expect(questions).toEqual([expect.stringContaining('What do you mean by "Mercury"?')]);
      // A server refuses an answer that does not fit, so none comes.
      const { out } = await run([...args, '--answer', 'the god']);
      expect(JSON.parse(out).host_calls).toMatchObject([{}, { method: 'input.ask', outcome: 'INPUT_TIMED_OUT' }, {}]);
    });

    it('reach a program in C by its header', async () => {
      for (const [name, file] of Object.entries(C_PACKAGES)) ensureInstalled(name, () => existsSync(file));
      const source = `#include <stdio.h>
#include "zerostate.h"
int main(void) {
  struct zerostate_answer put = zerostate_call("kv.put", "{\\"key\\":\\"n\\",\\"value\\":[1]}");
  struct zerostate_answer got = zerostate_call("kv.get", "{\\"key\\":\\"n\\"}");
  struct zerostate_answer bad = zerostate_call("kv.gett", "{}");
  printf("[%s,%s,%s,%d,%d]", put.text, got.text, bad.text, zerostate_failed(got), zerostate_failed(bad));
}
`;
      await writeFile(path('calling.c'), source);
      const options = ['--target=wasm32-wasi', '-std=c11', '-Wall', '-Wextra', '-Werror', '-Os', '-Wl,--strip-all'];
      const clang = spawn('/usr/bin/clang', [...options, `-I${LIB}`, 'calling.c', '-o', 'c.wasm'], { cwd: dir });
      const [said, [code]] = await Promise.all([text(clang.stderr), once(clang, 'close')]);
      expect([said, code]).toEqual(['', 0]);
      const { out } = await run(['run', 'c.wasm', '--json', '--permissions', '{"kv":{}}']);
      const refused = { error: { code: 'NOT_PERMITTED', message: expect.any(String) } };
      expect(JSON.parse(JSON.parse(out).outcome.output)).toEqual([
        ...[{ revision: 1 }, { value: [1], revision: 1 }, refused, 0, 1],
      ]);
    });

    it('says at validation that an import of host calls needs permissions', async () => {
      const { code, out } = await run(['validate', 'caller.wasm']);
      expect([code, out]).toEqual([0, expect.stringContaining('It imports "zerostate", so an upload must name')]);
      expect(JSON.parse((await run(['validate', 'caller.wasm', '--json'])).out).needs_permissions).toBe(true);
      expect((await run(['validate', 'good.wasm'])).out).not.toContain('It imports "zerostate"');
    });

    it('holds to the limit of calls of an attempt', async () => {
      const { out } = await run(['run', 'twice.wasm', '--json', '--input', '-', '--permissions', '{"kv":{}}'], {
        input: JSON.stringify(callOf('kv.get', { key: 'a' })),
        env: { HOST_CALLS_PER_ATTEMPT: '1' },
      });
      const { outcome, host_calls } = JSON.parse(out);
      expect([JSON.parse(outcome.output).error.code, host_calls.length]).toEqual(['TOO_MANY_CALLS', 1]);
    });
  });

  it('holds to the limits of the configuration, and names the variable that is wrong', async () => {
    const tight = await run(['run', 'endless.wasm', '--json'], { env: { TASK_TIMEOUT_MS: '200' } });
    expect(JSON.parse(tight.out)).toMatchObject({ outcome: { end: 'timed_out' }, limits: { timeout_ms: 200 } });
    const wrong = await run(['run', 'good.wasm'], { env: { SANDBOX_SLOTS: 'many' } });
    expect(wrong).toMatchObject({ code: 2, error: expect.stringContaining('SANDBOX_SLOTS') });
  });
});

/** Of an object and of all that are in it. */
const keysOf = (value: unknown): string[] =>
  value && typeof value === 'object'
    ? Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...keysOf(inner)])
    : [];
