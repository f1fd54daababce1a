/**
 * Makes an agent of a Ruby script: node bundle.mjs agent.rb agent.wasm
 *
 * CRuby 3.4 for WebAssembly (npm: @ruby/3.4-wasm-wasi) is a reactor: a JavaScript host is meant to call its functions,
 * and to provide `rb-js-abi-host`, which lets Ruby evaluate JavaScript. A market gives no agent such a host. So Ruby is
 * merged with three small modules into one WASI command: `start` runs the agent, the other two stand in for the
 * JavaScript host and trap when Ruby asks it for anything.
 *
 * The result starts here and evaluates the script. The memory that this leaves becomes the agent's initial memory, so a
 * task begins with the call of `agent`. A script whose top level fails makes no agent. With SOURCE_DATE_EPOCH set
 * (seconds since 1970), the same script makes the same bytes: https://reproducible-builds.org/specs/source-date-epoch/
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkTarget, fail, readText } from '../lib/bundling/files.mjs';
import { ExitCode } from '../lib/bundling/host.mjs';
import { frozen, startRuntime } from '../lib/bundling/snapshot.mjs';

const BUILD = fileURLToPath(new URL('build/', import.meta.url));
const PACKAGES = ['@ruby/3.4-wasm-wasi@2.10.1', 'binaryen@132.0.0'];
const RUBY = `${BUILD}node_modules/@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm`;
const INIT = 'ruby-init: func(args: list<string>) -> ()';
const EVAL = 'rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>';
const HOSTS = ['rb-js-abi-host', 'canonical_abi'];
const FEATURES = [
  '--enable-bulk-memory',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
  '--enable-mutable-globals',
];

function main([source, target, ...more]) {
  if (!source || !target?.endsWith('.wasm') || more.length > 0)
    fail('Usage: node examples/agents/ruby/bundle.mjs agent.rb my-agent.wasm', 2);
  checkTarget(target);
  const script = readText(source);
  installPackages();
  writeFileSync(target, agentOf(mergedRuntime(), source, script));
}

/** Starts Ruby and evaluates the script. @returns the agent */
function agentOf(runtime, source, script) {
  const ruby = startRuntime(runtime, createHash('sha256').update(script).digest());
  /** Copies bytes into the memory. @returns their place and length, as the canonical ABI passes a string */
  const placed = (bytes, alignment = 1) => {
    const address = ruby.cabi_realloc(0, 0, alignment, bytes.length);
    new Uint8Array(ruby.memory.buffer).set(bytes, address);
    return [address, bytes.length];
  };
  const text = (string) => placed(Buffer.from(string));
  /** @returns whether no exception ended it */
  const evaluate = (code) => {
    const answer = ruby[EVAL](...text(code));
    return new DataView(ruby.memory.buffer).getUint32(answer + 4, true) === 0;
  };
  const literal = (string) => `['${Buffer.from(string).toString('hex')}'].pack('H*').force_encoding('UTF-8')`;
  const frame = readFileSync(new URL('frame.rb', import.meta.url), 'utf8');
  const load = `BundledAgent.load(${literal(script)}, ${literal(basename(source))}) or raise`;
  try {
    ruby._initialize();
    const args = ['ruby\0', '-EUTF-8\0', '-e_=0\0'].flatMap(text);
    const [list] = placed(new Uint8Array(Uint32Array.from(args).buffer), 4);
    ruby[INIT](list, args.length / 2);
    if (evaluate(`eval(${literal(frame)}, TOPLEVEL_BINDING, '<frame>')`) && evaluate(load))
      return frozen(runtime, ruby);
  } catch (error) {
    if (!(error instanceof ExitCode)) console.error(`Ruby stopped: ${error.message}`);
  }
  return fail(`${source}: no agent was made.`);
}

/** Ruby and the modules around it as one binary. It is made once and kept. */
function mergedRuntime() {
  const imports = functionImports(readFileSync(RUBY));
  const modules = {
    start: START,
    ...Object.fromEntries(HOSTS.map((host) => [host, standIn(imports.filter(({ module }) => module === host))])),
  };
  const version = createHash('sha256')
    .update(JSON.stringify([PACKAGES, FEATURES, modules]))
    .digest('hex')
    .slice(0, 16);
  const kept = `${BUILD}runtime-${version}.wasm`;
  if (existsSync(kept)) return readFileSync(kept);
  const folder = mkdtempSync(join(tmpdir(), 'ruby-agent-'));
  try {
    const parts = Object.entries(modules).map(([name, wat]) => assemble(folder, name, wat));
    const merged = `${kept}.${process.pid}`;
    binaryen('wasm-merge', [RUBY, 'ruby', ...parts.flat(), '--skip-export-conflicts', '-o', merged]);
    renameSync(merged, kept);
    return readFileSync(kept);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Apart from the packages of the server. */
function installPackages() {
  if (existsSync(RUBY) && existsSync(`${BUILD}node_modules/binaryen`)) return;
  const options = ['--no-save', '--ignore-scripts', '--no-fund', '--no-audit', '--silent'];
  execFileSync('npm', ['install', '--prefix', BUILD, ...options, ...PACKAGES], { stdio: 'inherit' });
}

function binaryen(tool, args) {
  execFileSync(process.execPath, [`${BUILD}node_modules/binaryen/bin/${tool}`, ...FEATURES, ...args], {
    stdio: 'inherit',
  });
}

/** @returns the file and the name under which the others import it */
function assemble(folder, name, text) {
  const file = join(folder, name);
  writeFileSync(`${file}.wat`, text);
  binaryen('wasm-as', [`${file}.wat`, '-o', `${file}.wasm`]);
  return [`${file}.wasm`, name];
}

/**
 * `_start`: evaluates `BundledAgent.run "…"` with the environment in hexadecimal digits. The memory holds the environment
 * of bundling, and Ruby has no other way to that of the task. The second word of an evaluation's answer is Ruby's state,
 * 0 when all went well.
 */
const CALL = 'BundledAgent.run "';
const START = `(module
  (import "ruby" "memory" (memory 1))
  (import "ruby" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "ruby" ${quoted(EVAL)} (func $eval (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environment (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func $allocate (param $size i32) (result i32)
    (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (local.get $size)))
  (func $digit (param $value i32) (result i32)
    (i32.add (local.get $value) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10)))))
  (func (export "_start") (local $sizes i32) (local $at i32) (local $end i32) (local $code i32) (local $to i32)
    (local.set $sizes (call $allocate (i32.const 8)))
    (drop (call $sizes (local.get $sizes) (i32.add (local.get $sizes) (i32.const 4))))
    (local.set $end (i32.load offset=4 (local.get $sizes)))
    (local.set $at (call $allocate (local.get $end)))
    (drop (call $environment
      (call $allocate (i32.mul (i32.const 4) (i32.load (local.get $sizes)))) (local.get $at)))
    (local.set $code
      (call $allocate (i32.add (i32.const ${CALL.length + 1}) (i32.mul (i32.const 2) (local.get $end)))))
    ${[...Buffer.from(CALL)]
      .map((byte, i) => `(i32.store8 offset=${i} (local.get $code) (i32.const ${byte}))`)
      .join('\n    ')}
    (local.set $to (i32.add (local.get $code) (i32.const ${CALL.length})))
    (local.set $end (i32.add (local.get $at) (local.get $end)))
    (loop $bytes
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (i32.store8 (local.get $to) (call $digit (i32.shr_u (i32.load8_u (local.get $at)) (i32.const 4))))
          (i32.store8 offset=1 (local.get $to) (call $digit (i32.and (i32.load8_u (local.get $at)) (i32.const 15))))
          (local.set $to (i32.add (local.get $to) (i32.const 2)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $bytes))))
    (i32.store8 (local.get $to) (i32.const ${'"'.charCodeAt(0)}))
    (if (i32.load offset=4
          (call $eval (local.get $code) (i32.sub (i32.add (local.get $to) (i32.const 1)) (local.get $code))))
      (then (call $exit (i32.const 1))))))`;

/** Handles of JavaScript values pass through as they are, dropping one does nothing; whatever needs JavaScript traps. */
function standIn(imports) {
  const functions = imports.map(({ name, type: { params, results } }) => {
    const body = /resource_(new|get)/.test(name)
      ? '(local.get 0)'
      : /resource_drop|prohibit_rewind/.test(name)
        ? ''
        : 'unreachable';
    const signature = `${params.length ? `(param ${params.join(' ')})` : ''} ${results.length ? `(result ${results.join(' ')})` : ''}`;
    return `(func (export ${quoted(name)}) ${signature} ${body})`;
  });
  return `(module ${functions.join('\n')})`;
}

/** The imported functions of a module whose imports are all functions; Node.js tells their names, not their types. */
function functionImports(binary) {
  const VALUE_TYPES = { 0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64' };
  let at = 8;
  const number = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = binary[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const list = (item) => Array.from({ length: number() }, item);
  const text = () => {
    const length = number();
    return binary.toString('utf8', at, (at += length));
  };
  const valueType = () => VALUE_TYPES[binary[at++]];
  const functionType = () => (at++, { params: list(valueType), results: list(valueType) });
  let types = [];
  for (;;) {
    const section = binary[at++];
    const end = number() + at;
    if (section === 1) types = list(functionType);
    if (section === 2) return list(() => ({ module: text(), name: text(), type: (at++, types[number()]) }));
    at = end;
  }
}

function quoted(text) {
  return `"${[...Buffer.from(text)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')}"`;
}

main(process.argv.slice(2));
