import { ByteReader } from './byte-reader.js';
import { RefusalSignal } from './refusal.js';

/**
 * Reads the three well-known custom sections. The engine ignores them, so a damaged one does not refuse a binary; it
 * only yields nothing.
 *
 * Source: WebAssembly core specification, appendix "Name Section"; tool conventions, "ProducersSection.md" and
 * "Linking.md" (target features).
 */
export interface CustomSectionContent {
  /** `name`: what the module is called, and how many of its functions have names. */
  names?: { module: string | null; functions: number };
  /** `producers`: who wrote it, by field (`language`, `processed-by`, `sdk`). */
  producers?: { field: string; name: string; version: string }[];
  /** `target_features`: `+simd128` used, `-…` must not be used, `=…` required. */
  targetFeatures?: string[];
}

/** @param content the section without its name */
export function customSectionContent(name: string, content: Uint8Array): CustomSectionContent {
  const read = READERS.get(name);
  if (!read) return {};
  try {
    return read(new ByteReader(content));
  } catch (error) {
    if (error instanceof RefusalSignal) return {};
    throw error;
  }
}

const READERS = new Map<string, (reader: ByteReader) => CustomSectionContent>([
  ['name', readNames],
  ['producers', readProducers],
  ['target_features', readTargetFeatures],
]);

const MODULE_NAME = 0;
const FUNCTION_NAMES = 1;
/** Toolchains write a handful; a report stays small. */
const MOST_ENTRIES = 100;
const LONGEST_TEXT = 200;

function readNames(reader: ByteReader): CustomSectionContent {
  let module: string | null = null;
  let functions = 0;
  while (!reader.atEnd) {
    const id = reader.u8();
    const length = reader.u32();
    const start = reader.offset;
    if (id === MODULE_NAME) module = readText(reader);
    if (id === FUNCTION_NAMES) functions = reader.u32();
    reader.offset = start;
    reader.skip(length);
  }
  return { names: { module, functions } };
}

function readProducers(reader: ByteReader): CustomSectionContent {
  const producers: NonNullable<CustomSectionContent['producers']> = [];
  for (let fields = reader.u32(); fields > 0; fields--) {
    const field = readText(reader);
    for (let values = reader.u32(); values > 0 && producers.length < MOST_ENTRIES; values--) {
      producers.push({ field, name: readText(reader), version: readText(reader) });
    }
    if (producers.length === MOST_ENTRIES) break;
  }
  return { producers };
}

function readTargetFeatures(reader: ByteReader): CustomSectionContent {
  const targetFeatures: string[] = [];
  for (let features = Math.min(reader.u32(), MOST_ENTRIES); features > 0; features--) {
    const prefix = String.fromCharCode(reader.u8());
    targetFeatures.push(`${/[-+=]/.test(prefix) ? prefix : '?'}${readText(reader)}`);
  }
  return { targetFeatures };
}

/** Without what a terminal would obey and a database cannot store. */
function readText(reader: ByteReader): string {
  const length = reader.u32();
  const start = reader.offset;
  reader.skip(length);
  const text = new TextDecoder().decode(reader.bytes.subarray(start, start + Math.min(length, LONGEST_TEXT)));
  return text.replace(/\p{Cc}/gu, '?');
}
