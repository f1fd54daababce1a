import wabtInit from 'wabt';
import { FEATURES } from './wat.js';

/** A module of a script of the specification's test suite, and what the script says of it. */
export interface SpecifiedModule {
  bytes: Uint8Array;
  /** `malformed`: cannot be decoded; `invalid`: does not validate. */
  says: 'valid' | 'malformed' | 'invalid';
  /** Why, in the specification's words; '' for a valid one. */
  reason: string;
  /** Line of the script. */
  line: number;
}

export interface SpecifiedModules {
  modules: SpecifiedModule[];
  /** Modules in text that the assembler at hand does not understand, which says nothing about the binary format. */
  unreadable: number;
}

const wabt = await wabtInit();

/** Reads the modules of a `.wast` script; what it lets them do is not looked at. */
export function modulesOf(script: string): SpecifiedModules {
  const modules: SpecifiedModule[] = [];
  let unreadable = 0;
  for (const { text, line } of topLevel(script)) {
    const [, head] = /^\(\s*([\w.]+)/.exec(text) ?? [];
    const module = head === 'module' ? text : /^\(\s*assert_\w+\s+(?=\(\s*module)/.test(text) ? inner(text) : undefined;
    if (!module || /^\(\s*module\s+(\$\S+\s+)?(quote|definition|instance)\b/.test(module)) continue;
    const says = head === 'assert_malformed' ? 'malformed' : head === 'assert_invalid' ? 'invalid' : 'valid';
    const bytes = isBinary(module) ? bytesOf(module) : assembled(module);
    if (!bytes) {
      unreadable++;
      continue;
    }
    const reason = says === 'valid' ? '' : (/"([^"]*)"\s*\)$/.exec(text)?.[1] ?? '');
    modules.push({ bytes, says, reason, line });
  }
  return { modules, unreadable };
}

const isBinary = (module: string): boolean => /^\(\s*module\s+(\$\S+\s+)?binary\b/.test(module);

/** The first list within a list. */
function inner(text: string): string {
  const [first] = topLevel(text.slice(text.indexOf('(', 1)));
  return first.text;
}

/** The lists of a script that stand in no other, without comments. */
function topLevel(script: string): { text: string; line: number }[] {
  const lists: { text: string; line: number }[] = [];
  let depth = 0;
  let text = '';
  let line = 1;
  let startLine = 1;
  for (const [token] of script.matchAll(/"(?:\\.|[^"\\])*"|;;[^\n]*|\(;[^]*?;\)|[()]|\n|[^"();\n]+|;/g)) {
    if (token === '(' && depth++ === 0) startLine = line;
    if (!token.startsWith(';;') && !token.startsWith('(;') && depth > 0) text += token;
    if (token === ')' && --depth === 0) {
      lists.push({ text, line: startLine });
      text = '';
    }
    line += token.split('\n').length - 1;
    if (depth < 0) break;
  }
  return lists;
}

/** `(module binary "\00asm" "\01\00\00\00" …)` */
function bytesOf(module: string): Uint8Array {
  const pieces = [...module.matchAll(/"((?:\\.|[^"\\])*)"/g)].map(([, piece]) => piece);
  return Buffer.concat(
    pieces.flatMap((piece) =>
      [...piece.matchAll(/\\([0-9a-fA-F]{2})|\\(.)|([^\\]+)/g)].map(([, hex, escaped, plain]) =>
        hex ? Buffer.from(hex, 'hex') : Buffer.from(escaped ? (ESCAPES[escaped] ?? escaped) : plain),
      ),
    ),
  );
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

/** wabt 1.0.39 reads references to a defined type, and encodes them as types that do not exist. */
const TYPED_REFERENCE = /\(ref\s+(null\s+)?[$\d]/;

function assembled(text: string): Uint8Array | undefined {
  if (TYPED_REFERENCE.test(text)) return undefined;
  try {
    const module = wabt.parseWat('script.wast', text, FEATURES);
    try {
      return Uint8Array.from(module.toBinary({}).buffer);
    } finally {
      module.destroy();
    }
  } catch {
    return undefined;
  }
}
