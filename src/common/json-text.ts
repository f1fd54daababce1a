/**
 * Finds the parts of a JSON text without parsing it. Every function here takes text that has been checked to be one valid document.
 */

/** Text of each member of the object that `text` is, the last of each name, as `JSON.parse` has it; undefined for anything else. */
export function jsonMembers(text: string): Map<string, string> | undefined {
  let at = afterSpace(text, 0);
  if (text[at] !== '{') return undefined;
  const members = new Map<string, string>();
  for (at = afterSpace(text, at + 1); text[at] !== '}'; at = afterComma(text, at)) {
    const endOfKey = endOfString(text, at) + 1;
    const key = text.slice(at, endOfKey);
    const start = afterSpace(text, afterSpace(text, endOfKey) + 1);
    at = endOfValue(text, start);
    members.set(key.includes('\\') ? (JSON.parse(key) as string) : key.slice(1, -1), text.slice(start, at));
  }
  return members;
}

/** Text of each element of the array that `text` is; undefined for anything else. */
export function jsonElements(text: string): string[] | undefined {
  let at = afterSpace(text, 0);
  if (text[at] !== '[') return undefined;
  const elements: string[] = [];
  for (at = afterSpace(text, at + 1); text[at] !== ']'; at = afterComma(text, at)) {
    const start = at;
    at = endOfValue(text, start);
    elements.push(text.slice(start, at));
  }
  return elements;
}

/** How many arrays and objects are inside one another; 0 for a string, a number or a literal. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (opens(code)) deepest = Math.max(deepest, ++depth);
    else if (closes(code)) depth--;
  }
  return deepest;
}

/** Without the white space around the document. */
export function trimmedJson(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(Math.min(afterSpace(text, 0), end), end);
}

const [QUOTE, BACKSLASH, COMMA, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, SPACE, TAB, LINE_FEED, RETURN] = [
  ...'"\\,{}[] \t\n\r',
].map((character) => character.charCodeAt(0));

const opens = (code: number): boolean => code === OPEN_BRACE || code === OPEN_BRACKET;
const closes = (code: number): boolean => code === CLOSE_BRACE || code === CLOSE_BRACKET;
const isSpace = (code: number): boolean => code === SPACE || code === LINE_FEED || code === RETURN || code === TAB;

function afterSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** From the end of a member or element to the beginning of the next, or to what closes the container. */
function afterComma(text: string, end: number): number {
  const at = afterSpace(text, end);
  return text.charCodeAt(at) === COMMA ? afterSpace(text, at + 1) : at;
}

/** Index behind the value that begins at `start`. */
function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start) + 1;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (opens(code)) depth++;
    else if (closes(code)) {
      // This closes the container around a number or a literal.
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (code === COMMA || isSpace(code))) return at;
  }
  return text.length;
}

/** Index of the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}
