/**
 * Makes an agent of a script: node bundle.mjs agent.js agent.wasm
 *
 * runtime.wasm reserves room for scripts and exports its address; this adds prelude.js and the script as one more data
 * segment, and then has the engine evaluate the script once, so that a mistake shows here. No compiler is needed.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkTarget, fail, readText } from '../lib/bundling/files.mjs';
import { dataSegment, readSections, readUnsigned, SECTION, unsigned, writeSections } from '../lib/wasm/binary.mjs';

const ROOM = 1 << 20;

const [source, target, ...more] = process.argv.slice(2);
if (!source || !target?.endsWith('.wasm') || more.length > 0) fail('Usage: node bundle.mjs agent.js agent.wasm', 2);
checkTarget(target);
const prelude = readFileSync(join(import.meta.dirname, 'prelude.js'));
const script = Buffer.concat([prelude, Buffer.from([0]), Buffer.from(readText(source))]);
if (script.includes(0, prelude.length + 1)) fail(`${source} contains a NUL character.`);
if (script.length >= ROOM)
  fail(`${source} has ${script.length - prelude.length - 1} bytes; there is room for ${ROOM - prelude.length - 2}.`);

const sections = readSections(readFileSync(join(import.meta.dirname, 'runtime.wasm')));
if (sections.some(({ id }) => id === SECTION.dataCount))
  throw new Error('runtime.wasm must be built without bulk memory.');
const address = globalValue(sections, exportedGlobal(sections, 'agent_script'));
const data = sections.find(({ id }) => id === SECTION.data);
const count = readUnsigned(data.content, 0);
data.content = Buffer.concat([
  unsigned(count.value + 1),
  data.content.subarray(count.end),
  dataSegment(address, script),
]);
const agent = writeSections(sections);
await check(agent);
writeFileSync(target, agent);

/** Evaluates the script in the agent's own engine, which says what is wrong with it, and in which line. */
async function check(wasm) {
  const folder = mkdtempSync(join(tmpdir(), 'javascript-agent-'));
  const stderr = openSync(join(folder, 'stderr'), 'w+');
  try {
    process.removeAllListeners('warning'); // that WASI is experimental
    const { WASI } = await import('node:wasi');
    const wasi = new WASI({ version: 'preview1', args: ['agent', '--check'], stderr, returnOnExit: true });
    const { instance } = await WebAssembly.instantiate(wasm, wasi.getImportObject());
    const code = wasi.start(instance);
    const said = readFileSync(join(folder, 'stderr'), 'utf8').trim();
    if (code !== 0)
      fail(`${source} cannot be an agent. ${said.replaceAll('agent.js', source)}${adviceOnModules(said)}`);
    if (said) console.error(said);
  } finally {
    closeSync(stderr);
    rmSync(folder, { recursive: true });
  }
}

function adviceOnModules(said) {
  const usesModules = /^\s*(import\b(?!\s*\()|export\b)/m.test(script.toString('utf8', prelude.length + 1));
  if (!said.startsWith('SyntaxError') || !usesModules) return '';
  return `
An agent is one script, without \`import\` and \`export\`. Set \`globalThis.agent = agent\` instead of exporting it, and
join the modules first: npx esbuild ${source} --bundle --format=iife --target=es2020 --outfile=joined.js`;
}

function exportedGlobal(all, name) {
  const { content } = all.find(({ id }) => id === SECTION.export);
  let { value: left, end: at } = readUnsigned(content, 0);
  for (; left > 0; left--) {
    const length = readUnsigned(content, at);
    const nameEnd = length.end + length.value;
    const index = readUnsigned(content, nameEnd + 1);
    if (content[nameEnd] === 3 && content.toString('utf8', length.end, nameEnd) === name) return index.value;
    at = index.end;
  }
  throw new Error(`runtime.wasm exports no global ${name}.`);
}

/** The globals of runtime.wasm are all of the form `type mutability i32.const n end`. */
function globalValue(all, index) {
  const { content } = all.find(({ id }) => id === SECTION.global);
  let { end: at } = readUnsigned(content, 0);
  for (let position = 0; ; position++) {
    if (content[at + 2] !== 0x41) throw new Error('runtime.wasm has a global that is no i32 constant.');
    const constant = readUnsigned(content, at + 3);
    if (position === index) return constant.value;
    at = constant.end + 1;
  }
}
