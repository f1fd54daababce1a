import { ByteReader } from './byte-reader.js';
import type { ModuleLimits } from './limits.js';
import { RefusalSignal, refuse, type Refusal, type WalkRefusalCode } from './refusal.js';
import { SECTIONS, checkCounts, type Section } from './sections.js';
import { blankModule, type WalkState, type WalkedModule } from './walked-module.js';

/**
 * Walks the sections of a WebAssembly binary: reads every declaration, skips the instructions (but for how deeply they
 * nest), and holds each part against its limit before anything is kept of it. It runs in linear time without recursion, and its memory is bounded
 * by the limits, not by the file.
 *
 * It is the first of two checks. It knows nothing of instructions and their types, which the engine judges; the engine in
 * turn hides the sizes of memories and tables, and some modules of a few hundred kilobytes take it minutes, which the
 * limits keep away from it. What the walker calls damaged (as opposed to too large or not supported) the engine
 * rejects as well.
 *
 * Nothing here knows about agents, files or processes.
 *
 * @returns the module's description as far as it was read, and the refusal that ended the walk early
 */
export function walkModule(
  bytes: Uint8Array,
  limits: ModuleLimits,
): { module: WalkedModule; refusal: Refusal<WalkRefusalCode> | null } {
  const walk = beginWalk(bytes, limits);
  try {
    walk.module.version = readHeader(walk.reader);
    readSections(walk);
    checkCounts(walk);
    return { module: walk.module, refusal: null };
  } catch (error) {
    if (!(error instanceof RefusalSignal)) throw error;
    return { module: walk.module, refusal: error.refusal };
  }
}

function beginWalk(bytes: Uint8Array, limits: ModuleLimits): WalkState {
  return {
    reader: new ByteReader(bytes),
    limits,
    module: blankModule(),
    types: [],
    spaces: { function: [], table: [], memory: [], global: [], tag: [] },
    bodies: null,
    announcedDataSegments: null,
    elements: 0,
    nameBytes: 0,
  };
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];

/**
 * Four bytes of magic, two of version, two of layer: 0 for core modules, 1 for components, which `walkComponent` reads.
 * @returns the version
 */
function readHeader(reader: ByteReader): number {
  if (reader.size === 0) refuse('EMPTY_FILE', 'The file is empty.', 0);
  for (const expected of MAGIC.slice(0, reader.size)) {
    if (reader.u8() !== expected) refuse('NOT_WASM', 'The file is not a WebAssembly binary.', reader.offset - 1);
  }
  const version = reader.u8() | (reader.u8() << 8);
  const layer = reader.u8() | (reader.u8() << 8);
  if (version !== 1 || layer !== 0) {
    refuse('UNSUPPORTED_WASM_VERSION', `The file has version ${version}, layer ${layer} of WebAssembly.`, 4);
  }
  return version;
}

function readSections(walk: WalkState): void {
  const { reader } = walk;
  const seen = new Set<Section>();
  let lastRank = 0;
  while (!reader.atEnd) {
    const start = reader.offset;
    const id = reader.u8();
    const section = SECTIONS.at(id);
    if (!section) refuse('UNKNOWN_SECTION', `The section at byte ${start} has the unknown id ${id}.`, start);
    if (section.rank !== null) {
      if (seen.has(section)) refuse('DUPLICATE_SECTION', `There is a second ${section.name} section.`, start);
      if (section.rank < lastRank) {
        refuse('SECTION_OUT_OF_ORDER', `The ${section.name} section comes too late.`, start);
      }
      seen.add(section);
      lastRank = section.rank;
    }
    readSection(walk, section);
  }
}

function readSection(walk: WalkState, section: Section): void {
  const { reader } = walk;
  const start = reader.offset;
  const length = reader.u32();
  const end = reader.offset + length;
  if (end > reader.size) {
    const missing = `The ${section.name} section at byte ${start} has ${length} bytes, but the file ends ${end - reader.size} bytes earlier.`;
    refuse('TRUNCATED_MODULE', missing, start);
  }
  reader.end = end;
  reader.scope = `${section.name} section`;
  section.read(walk);
  if (!reader.atEnd) {
    const seen = `The ${section.name} section ends at byte ${end}, but its contents end at ${reader.offset}.`;
    refuse('SECTION_SIZE_MISMATCH', seen, reader.offset);
  }
  reader.end = reader.size;
  reader.scope = 'file';
}
