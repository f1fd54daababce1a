import { JsonScanner } from '../../common/json-scanner.js';
import { printable } from './printable.js';

/**
 * Reads an agent's standard output as the JSON text it has to be, and refuses what is valid JSON but would be lost or
 * break things further on: PostgreSQL's text takes no NUL and no half of a surrogate pair, a number that no double can hold is
 * `null` to whoever reads it, and very deep nesting overflows the stack of whoever reads it recursively.
 */
export type JsonOutput = { text: string } | Fault;
interface Fault {
  fault: string;
}

const NO_OUTPUT = 'there is no output';
/** Arrays and objects inside one another. */
export const MAX_OUTPUT_DEPTH = 512;
const MAX_NUMBER_LENGTH = 400;
/** `9e999`. */
const SHORTEST_INFINITE = 5;

export function readJsonOutput(bytes: Uint8Array): JsonOutput {
  if (bytes.length === 0) return { fault: NO_OUTPUT };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    JSON.parse(text);
    const fault = jsonFault(text);
    return fault ? { fault } : { text };
  } catch (error) {
    return { fault: error instanceof SyntaxError ? `not JSON: ${printable(error.message)}` : 'not UTF-8' };
  }
}

/**
 * The same for a document that is kept in a file and not in a table: it only has to be JSON. Parsed, one of tens of megabytes
 * would take more memory than the process has.
 */
export function readLargeOutput(bytes: Uint8Array): { bytes: Uint8Array } | Fault {
  const scanner = new JsonScanner(MAX_OUTPUT_DEPTH);
  try {
    scanner.push(bytes);
    scanner.end();
    return { bytes };
  } catch (error) {
    return { fault: bytes.length === 0 ? NO_OUTPUT : `not JSON: ${(error as Error).message}` };
  }
}

/**
 * What keeps syntactically valid JSON `text` from being stored, or undefined. One pass, no recursion, and no copy of
 * anything but strings with escapes: it must not take longer than parsing.
 */
export function jsonFault(text: string): string | undefined {
  let depth = 0;
  let escape = text.indexOf('\\');
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (escape >= 0 && escape < end) {
        const fault = escapeFault(text.slice(at, end + 1));
        if (fault) return fault;
        escape = text.indexOf('\\', end);
      }
      at = end;
    } else if (code === OPEN_BRACKET || code === OPEN_BRACE) {
      if (++depth > MAX_OUTPUT_DEPTH) return `nested deeper than ${MAX_OUTPUT_DEPTH} levels`;
    } else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) {
      depth--;
    } else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at);
      if (isOutOfRange(text, at, end)) return 'a number is out of range';
      at = end - 1;
    }
  }
  return undefined;
}

const [QUOTE, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE, PLUS, MINUS, POINT, ZERO, NINE, UPPER_E, LOWER_E] =
  [...'"[]{}+-.09Ee'].map((character) => character.charCodeAt(0));

const isDigit = (code: number): boolean => code >= ZERO && code <= NINE;

/** Index of the closing quote of the string that opens at `start`: the next one that no backslash escapes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** UTF-8 cannot carry half a surrogate pair and JSON no bare NUL, so only escapes can bring them in. */
function escapeFault(literal: string): string | undefined {
  if (!literal.includes('\\')) return undefined;
  const content = JSON.parse(literal) as string;
  if (content.includes('\0')) return 'a string contains NUL';
  if (!content.isWellFormed()) return 'a string contains half a surrogate pair';
  return undefined;
}

function endOfNumber(text: string, start: number): number {
  for (let end = start + 1; ; end++) {
    const code = text.charCodeAt(end);
    const inNumber =
      isDigit(code) || code === POINT || code === LOWER_E || code === UPPER_E || code === PLUS || code === MINUS;
    if (!inNumber) return end;
  }
}

function isOutOfRange(text: string, start: number, end: number): boolean {
  if (end - start > MAX_NUMBER_LENGTH) return true;
  return end - start >= SHORTEST_INFINITE && !Number.isFinite(Number(text.slice(start, end)));
}
