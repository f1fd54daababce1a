/**
 * Freezes a started interpreter into an agent. A bundler starts the runtime here, in plain Node.js, and has it load the
 * script. The memory and the globals that this leaves become the agent's initial ones, so a task skips that work.
 */
import { dataSegment, readSections, readUnsigned, SECTION, signed, unsigned, writeSections } from '../wasm/binary.mjs';
import { bundlingHost } from './host.mjs';

const PAGE = 65_536;
/** Bytes of zeros that cost less in a data segment than the start of another one. */
const GAP = 64;
const I32_CONST = 0x41;
const END = 0x0b;
const nameOfGlobal = (index) => `global ${index}`;

/**
 * @param runtime the binary: it exports its memory as `memory` and imports nothing but WASI functions
 * @param seed bytes that randomness comes from when SOURCE_DATE_EPOCH asks for the same binary each time
 * @returns the exports of an instance of it, with its globals among them
 */
export function startRuntime(runtime, seed) {
  const sections = readSections(runtime);
  const globals = globalsOf(sections).map((_, index) => {
    const name = Buffer.from(nameOfGlobal(index));
    return Buffer.concat([unsigned(name.length), name, Buffer.from([3]), unsigned(index)]);
  });
  const exported = sections.find(({ id }) => id === SECTION.export);
  exported.content = vector([...exportsOf(exported.content).map(({ bytes }) => bytes), ...globals]);
  const module = new WebAssembly.Module(writeSections(sections));
  const imports = bundlingHost(module, () => instance.exports.memory, seed);
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: imports });
  return instance.exports;
}

/**
 * @param exports what `startRuntime` returned for the same runtime
 * @returns the runtime with the present memory and globals, and with nothing to call but `_start`
 */
export function frozen(runtime, exports) {
  const memory = new Uint8Array(exports.memory.buffer);
  const sections = readSections(runtime);
  const contents = {
    [SECTION.memory]: Buffer.from([1, 0, ...unsigned(memory.length / PAGE)]),
    [SECTION.global]: vector(
      globalsOf(sections).map((type, index) =>
        Buffer.from([...type, I32_CONST, ...signed(exports[nameOfGlobal(index)].value), END]),
      ),
    ),
    [SECTION.data]: segmentsOf(memory),
  };
  return writeSections(
    sections
      .filter(({ id }) => id !== SECTION.custom && id !== SECTION.dataCount) // no code copies a segment by itself
      .map(({ id, content }) => ({
        id,
        content: id === SECTION.export ? onlyStart(content) : (contents[id] ?? content),
      })),
  );
}

/** All of the memory that is not zero, as data segments. */
function segmentsOf(memory) {
  const words = new Uint32Array(memory.buffer, 0, memory.length / 4);
  const ranges = []; // of words
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 0) continue;
    const last = ranges.at(-1);
    if (last && at - last.end <= GAP / 4) last.end = at + 1;
    else ranges.push({ start: at, end: at + 1 });
  }
  return vector(ranges.map(({ start, end }) => dataSegment(4 * start, memory.subarray(4 * start, 4 * end))));
}

/** @returns type and mutability of each global, two bytes each */
function globalsOf(sections) {
  const { content } = sections.find(({ id }) => id === SECTION.global);
  const { value: count, end: start } = readUnsigned(content, 0);
  const types = [];
  for (let at = start; types.length < count;) {
    if (content[at + 2] !== I32_CONST) throw new Error('The runtime has a global that is no i32 constant.');
    types.push(content.subarray(at, at + 2));
    at = readUnsigned(content, at + 3).end + 1;
  }
  return types;
}

const onlyStart = (content) =>
  vector(
    exportsOf(content)
      .filter(({ name }) => name === 'memory' || name === '_start')
      .map(({ bytes }) => bytes),
  );

function exportsOf(content) {
  const { value: count, end: start } = readUnsigned(content, 0);
  const found = [];
  for (let at = start; found.length < count;) {
    const length = readUnsigned(content, at);
    const nameEnd = length.end + length.value;
    const { end } = readUnsigned(content, nameEnd + 1);
    found.push({ name: content.toString('utf8', length.end, nameEnd), bytes: content.subarray(at, end) });
    at = end;
  }
  return found;
}

const vector = (items) => Buffer.concat([unsigned(items.length), ...items]);
