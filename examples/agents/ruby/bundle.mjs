// Makes an agent of a Ruby script:
//
//   node examples/agents/ruby/bundle.mjs agent.rb my-agent.wasm
//
// CRuby 3.4 for WebAssembly (npm: @ruby/3.4-wasm-wasi) is a reactor: a JavaScript host is meant to call its functions,
// and to provide `rb-js-abi-host`, which lets Ruby evaluate JavaScript. A market gives no agent such a host. So Ruby is
// merged with three small modules into one WASI command: `start` boots the interpreter and runs the script, the other
// two stand in for the JavaScript host and trap when Ruby asks it for anything.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkTarget, fail, readText } from '../lib/bundling/files.mjs';

const BUILD = fileURLToPath(new URL('build/', import.meta.url));
const PACKAGES = ['@ruby/3.4-wasm-wasi@2.10.1', 'binaryen@132.0.0'];
const RUBY = `${BUILD}node_modules/@ruby/3.4-wasm-wasi/dist/ruby+stdlib.wasm`;
const HOSTS = ['rb-js-abi-host', 'canonical_abi'];
const FEATURES = [
  '--enable-bulk-memory',
  '--enable-nontrapping-float-to-int',
  '--enable-sign-ext',
  '--enable-mutable-globals',
];

const [scriptPath, target, ...more] = process.argv.slice(2);
if (!scriptPath || !target?.endsWith('.wasm') || more.length > 0)
  fail('Usage: node examples/agents/ruby/bundle.mjs agent.rb my-agent.wasm', 2);
checkTarget(target);
bundle(readText(scriptPath), target);

function bundle(script, output) {
  installPackages();
  const folder = mkdtempSync(join(tmpdir(), 'ruby-agent-'));
  try {
    const ruby = readFileSync(RUBY);
    const imports = functionImports(ruby);
    const frame = readFileSync(new URL('frame.rb', import.meta.url), 'utf8');
    const parts = [
      assemble(folder, 'start', startModule(`${script}\n${frame}`)),
      ...HOSTS.map((host) => assemble(folder, host, standInModule(imports.filter(({ module }) => module === host)))),
    ];
    binaryen('wasm-merge', [RUBY, 'ruby', ...parts.flat(), '--skip-export-conflicts', '-o', output]);
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
 * `_start`: initialise the reactor, then `ruby-init(["ruby", …])` and `rb-eval-string-protect(script)`, by the canonical
 * ABI: strings and the list are copied into memory from `cabi_realloc`; the second word of the answer is Ruby's state, 0
 * when all went well.
 */
function startModule(script) {
  const texts = ['ruby\0', '-EUTF-8\0', '-e_=0\0', script].map((text) => Buffer.from(text));
  const pieces = texts.map((text, i) => ({
    at: texts.slice(0, i).reduce((sum, { length }) => sum + length, 0),
    length: text.length,
  }));
  const args = pieces.slice(0, -1);
  const program = pieces.at(-1);
  const copy = ({ at, length }) => `(call $copy (i32.const ${at}) (i32.const ${length}))`;
  return `(module
    (import "ruby" "memory" (memory 1))
    (import "ruby" "_initialize" (func $initialize))
    (import "ruby" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "ruby" ${quoted('ruby-init: func(args: list<string>) -> ()')} (func $init (param i32 i32)))
    (import "ruby" ${quoted('rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>')}
      (func $eval (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (data $texts ${quoted(Buffer.concat(texts))})
    (func $allocate (param $align i32) (param $size i32) (result i32)
      (call $realloc (i32.const 0) (i32.const 0) (local.get $align) (local.get $size)))
    (func $copy (param $at i32) (param $length i32) (result i32) (local $to i32)
      (local.set $to (call $allocate (i32.const 1) (local.get $length)))
      (memory.init $texts (local.get $to) (local.get $at) (local.get $length))
      (local.get $to))
    (func (export "_start") (local $list i32)
      (call $initialize)
      (local.set $list (call $allocate (i32.const 4) (i32.const ${8 * args.length})))
      ${args
        .map(
          (piece, i) => `(i32.store offset=${8 * i} (local.get $list) ${copy(piece)})
      (i32.store offset=${8 * i + 4} (local.get $list) (i32.const ${piece.length}))`,
        )
        .join('\n      ')}
      (call $init (local.get $list) (i32.const ${args.length}))
      (if (i32.load offset=4 (call $eval ${copy(program)} (i32.const ${program.length})))
        (then (call $exit (i32.const 1))))))`;
}

/** Handles of JavaScript values pass through as they are, dropping one does nothing; whatever needs JavaScript traps. */
function standInModule(imports) {
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
