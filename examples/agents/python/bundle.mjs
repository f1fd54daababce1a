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
import { ExitCode } from '../lib/bundling/host.mjs';
import { frozen, startRuntime } from '../lib/bundling/snapshot.mjs';

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
  const sources = [script.source, ...Object.values(modules).map((module) => module.source)];
  if (sources.some((text) => /\bzerostate\b/.test(text))) {
    const path = join(import.meta.dirname, 'zerostate.py');
    modules.zerostate ??= { name: 'zerostate.py', source: readText(path), package: false };
  }
  const runtime = readFileSync(join(import.meta.dirname, 'python.wasm'));
  writeFileSync(target, agentOf(runtime, source, Buffer.from(JSON.stringify(script))));
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

/** Runs the script's top level. @returns the agent */
function agentOf(runtime, source, document) {
  const seed = createHash('sha256').update(document).digest();
  const exports = startRuntime(runtime, seed);
  const { memory, agent_room: room, agent_prepare: prepareAgent, agent_stack: stack } = exports;
  try {
    const address = room(document.length);
    new Uint8Array(memory.buffer).set(document, address);
    if (prepareAgent(address, document.length) === 0) {
      new Uint8Array(memory.buffer).fill(0, 0, stack()); // what finished calls left on the stack
      return frozen(runtime, exports);
    }
  } catch (error) {
    if (!(error instanceof ExitCode)) console.error(`Python stopped: ${error.message}`);
  }
  return fail(`${source}: no agent was made.`);
}

main(process.argv.slice(2));
