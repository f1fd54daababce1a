/**
 * Reads an agent's standard output as the JSON text it has to be, and refuses what is valid JSON but would be lost or
 * break things further on: PostgreSQL's `jsonb` takes no NUL, no half of a surrogate pair and no number of a hundred
 * thousand digits, and very deep nesting overflows the stack of whoever reads it recursively.
 */
export type JsonOutput = { text: string } | { fault: string };

const MAX_DEPTH = 512;
const MAX_NUMBER_LENGTH = 400;
const MAX_EXPONENT_DIGITS = 3;

export function readJsonOutput(bytes: Uint8Array): JsonOutput {
  if (bytes.length === 0) return { fault: 'there is no output' };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
    JSON.parse(text);
    const fault = jsonFault(text);
    return fault ? { fault } : { text };
  } catch (error) {
    if (error instanceof SyntaxError)
      return { fault: `not JSON: ${error.message.replace(/\p{Cc}/gu, ' ').slice(0, 200)}` };
    return { fault: 'not UTF-8' };
  }
}

/** What keeps syntactically valid JSON `text` from being stored, or undefined. One pass, no recursion. */
export function jsonFault(text: string): string | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') {
      if (++depth > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
    } else if (character === '}' || character === ']') {
      depth--;
    } else if (character === '"') {
      const end = endOfString(text, at);
      const fault = escapeFault(text.slice(at, end + 1));
      if (fault) return fault;
      at = end;
    } else if (character === '-' || (character >= '0' && character <= '9')) {
      const end = endOfNumber(text, at);
      const [, exponent = ''] = text.slice(at, end).split(/[eE][+-]?/);
      if (end - at > MAX_NUMBER_LENGTH || exponent.length > MAX_EXPONENT_DIGITS) return 'a number is out of range';
      at = end - 1;
    }
  }
  return undefined;
}

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
  let end = start + 1;
  while (end < text.length && /[\d.eE+-]/.test(text[end])) end++;
  return end;
}
