/**
 * Makes an agent of a Python script: node bundle.mjs [--whole-library] agent.py [module.py | package …] agent.wasm
 *
 * python.wasm holds CPython and its standard library. It starts here, compiles the script and runs its top level: imports,
 * functions, tables. The memory that this leaves becomes the agent's initial memory, so a task begins with the call of
 * `agent`. A script that does not compile or whose top level fails makes no agent.
 *
 * Library modules that the script cannot reach are left out. `--whole-library` keeps them, for scripts that find out
 * at run time what they import. With SOURCE_DATE_EPOCH set (seconds since 1970), the same script makes the same bytes:
 * https://reproducible-builds.org/specs/source-date-epoch/
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkTarget, fail, isFolder, readText } from '../lib/bundling/files.mjs';
import { dataSegment, readSections, readUnsigned, SECTION, unsigned, writeSections } from '../lib/wasm/binary.mjs';
import { bundlingHost, ExitCode } from './bundling-host.mjs';

const PAGE = 65_536;
/** Bytes of zeros that cost less in a data segment than the start of another one. */
const GAP = 64;

function main(args) {
  const wholeLibrary = args.includes('--whole-library');
  const [source, ...others] = args.filter((arg) => arg !== '--whole-library');
  const target = others.pop();
  if (!target?.endsWith('.wasm') || !source?.endsWith('.py')) {
    fail('Usage: node bundle.mjs [--whole-library] agent.py [module.py | package …] agent.wasm', 2);
  }
  checkTarget(target);
  const modules = Object.fromEntries(others.flatMap((path) => modulesAt(path, basename(path, '.py'))));
  const script = { name: basename(source), source: readText(source), modules, keep_all: wholeLibrary };
  const runtime = readFileSync(join(import.meta.dirname, 'python.wasm'));
  writeFileSync(target, withMemory(runtime, prepare(runtime, source, Buffer.from(JSON.stringify(script)))));
}

/** @returns pairs of a module's name and the module: of a file, or of a folder and all below it */
function modulesAt(path, name) {
  const file = name.replaceAll('.', '/');
  if (!isFolder(path)) {
    if (!path.endsWith('.py')) fail(`${path} is neither a module (.py) nor the folder of a package.`, 2);
    return [[name, { name: `${file}.py`, source: readText(path), package: false }]];
  }
  const start = join(path, '__init__.py');
  const source = existsSync(start) ? readText(start) : '';
  const inside = readdirSync(path, { withFileTypes: true })
    .filter((entry) =>
      entry.isDirectory() ? entry.name !== '__pycache__' : /\.py$/.test(entry.name) && entry.name !== '__init__.py',
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    [name, { name: `${file}/__init__.py`, source, package: true }],
    ...inside.flatMap((entry) => modulesAt(join(path, entry.name), `${name}.${basename(entry.name, '.py')}`)),
  ];
}

/** Runs the script's top level. @returns the memory after it */
function prepare(runtime, source, document) {
  const module = new WebAssembly.Module(runtime);
  const seed = createHash('sha256').update(document).digest();
  const imports = bundlingHost(module, () => instance.exports.memory, seed);
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: imports });
  const { memory, agent_room: room, agent_prepare: prepareAgent, agent_stack: stack } = instance.exports;
  try {
    const address = room(document.length);
    new Uint8Array(memory.buffer).set(document, address);
    // What finished calls left on the stack is not part of the agent.
    if (prepareAgent(address, document.length) === 0) return new Uint8Array(memory.buffer).fill(0, 0, stack());
  } catch (error) {
    if (!(error instanceof ExitCode)) console.error(`Python stopped: ${error.message}`);
  }
  return fail(`${source}: no agent was made.`);
}

/** The runtime with this memory, and with nothing to call but `_start`. */
function withMemory(runtime, bytes) {
  const sections = readSections(runtime)
    .filter(({ id }) => id !== SECTION.custom && id !== SECTION.dataCount) // no code copies a segment by itself
    .map(({ id, content }) => {
      if (id === SECTION.memory) return { id, content: Buffer.from([1, 0, ...unsigned(bytes.length / PAGE)]) };
      if (id === SECTION.export) return { id, content: exportsOnly(content, ['memory', '_start']) };
      if (id === SECTION.data) return { id, content: dataOf(bytes) };
      return { id, content };
    });
  return writeSections(sections);
}

/** All of the memory that is not zero, as data segments. */
function dataOf(bytes) {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
  const ranges = []; // of words
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 0) continue;
    const last = ranges.at(-1);
    if (last && at - last.end <= GAP / 4) last.end = at + 1;
    else ranges.push({ start: at, end: at + 1 });
  }
  const segments = ranges.map(({ start, end }) => dataSegment(4 * start, bytes.subarray(4 * start, 4 * end)));
  return Buffer.concat([unsigned(ranges.length), ...segments]);
}

function exportsOnly(content, wanted) {
  let { value: left, end: at } = readUnsigned(content, 0);
  const kept = [];
  for (; left > 0; left--) {
    const length = readUnsigned(content, at);
    const nameEnd = length.end + length.value;
    const { end } = readUnsigned(content, nameEnd + 1);
    if (wanted.includes(content.toString('utf8', length.end, nameEnd))) kept.push(content.subarray(at, end));
    at = end;
  }
  return Buffer.concat([unsigned(kept.length), ...kept]);
}

main(process.argv.slice(2));
