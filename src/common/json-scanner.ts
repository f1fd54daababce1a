/**
 * Checks that streamed bytes are one JSON document (RFC 8259, UTF-8, no byte order mark). It keeps one byte per open array
 * or object, so the size of the document does not matter. It imports nothing, because it also runs in the sandbox process.
 *
 * Every document passes this check and no other: bodies of requests, inputs of tasks, results of agents.
 */
export class JsonScanner {
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true });
  /** For each open container: 1 for an object, 0 for an array. */
  private containers = new Uint8Array(64);
  private depth = 0;
  private state: State = VALUE;
  private inKey = false;
  private hexDigitsLeft = 0;
  private literal = '';
  private literalAt = 0;
  private offset = 0;
  private onlyNull = false;

  /** @param maxDepth limit of nested arrays and objects */
  constructor(private readonly maxDepth: number) {}

  /** Whether the whole document is `null`. */
  get isNull(): boolean {
    return this.onlyNull;
  }

  /** @throws SyntaxError that says what is wrong, and where */
  push(bytes: Uint8Array): void {
    this.checkUtf8(bytes, true);
    for (let at = 0; at < bytes.length; at++) {
      if (this.state === IN_STRING) at = endOfPlainText(bytes, at);
      if (at < bytes.length) this.state = this.next(bytes[at], this.offset + at);
    }
    this.offset += bytes.length;
  }

  /** Call after the last piece. @throws SyntaxError if the document is incomplete */
  end(): void {
    this.checkUtf8(new Uint8Array(0), false);
    if (this.offset === 0) throw new SyntaxError('it is empty');
    const whole = this.depth === 0 && (this.state === AFTER_VALUE || COMPLETE_NUMBERS.has(this.state));
    if (!whole) throw new SyntaxError('it is incomplete');
  }

  private next(byte: number, offset: number): State {
    const { state } = this;
    if (state >= FIRST_OF_NUMBERS) {
      const following = nextInNumber(state, byte);
      if (following !== undefined) return following;
      if (!COMPLETE_NUMBERS.has(state)) throw unexpected(byte, offset);
      return this.afterValue(byte, offset);
    }
    switch (state) {
      case IN_STRING:
        return this.inString(byte, offset);
      case ESCAPED:
        return this.escaped(byte, offset);
      case IN_HEX:
        if (!isHexDigit(byte)) throw unexpected(byte, offset);
        return --this.hexDigitsLeft === 0 ? IN_STRING : IN_HEX;
      case IN_LITERAL:
        if (byte !== this.literal.charCodeAt(this.literalAt++)) throw unexpected(byte, offset);
        return this.literalAt === this.literal.length ? AFTER_VALUE : IN_LITERAL;
    }
    if (isSpace(byte)) return state;
    switch (state) {
      case FIRST_KEY:
        return byte === CLOSE_BRACE ? this.close() : this.key(byte, offset);
      case KEY:
        return this.key(byte, offset);
      case COLON:
        if (byte !== COLON_SIGN) throw unexpected(byte, offset);
        return VALUE;
      case FIRST_ITEM:
        return byte === CLOSE_BRACKET ? this.close() : this.value(byte, offset);
      case VALUE:
        return this.value(byte, offset);
      default:
        return this.afterValue(byte, offset);
    }
  }

  private value(byte: number, offset: number): State {
    switch (byte) {
      case QUOTE:
        this.inKey = false;
        return IN_STRING;
      case OPEN_BRACE:
        return this.open(true, offset);
      case OPEN_BRACKET:
        return this.open(false, offset);
      case MINUS:
        return AFTER_MINUS;
      case ZERO:
        return AFTER_ZERO;
    }
    if (isDigit(byte)) return IN_INTEGER;
    const literal = LITERALS.get(byte);
    if (literal === undefined) throw unexpected(byte, offset);
    this.onlyNull = literal === 'null' && this.depth === 0;
    this.literal = literal;
    this.literalAt = 1;
    return IN_LITERAL;
  }

  private afterValue(byte: number, offset: number): State {
    if (isSpace(byte)) return AFTER_VALUE;
    if (this.depth > 0) {
      const inObject = this.containers[this.depth - 1] === 1;
      if (byte === COMMA) return inObject ? KEY : VALUE;
      if (byte === (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return this.close();
    }
    throw unexpected(byte, offset);
  }

  private key(byte: number, offset: number): State {
    if (byte !== QUOTE) throw unexpected(byte, offset);
    this.inKey = true;
    return IN_STRING;
  }

  private inString(byte: number, offset: number): State {
    if (byte === QUOTE) return this.inKey ? COLON : AFTER_VALUE;
    if (byte === BACKSLASH) return ESCAPED;
    throw unexpected(byte, offset);
  }

  private escaped(byte: number, offset: number): State {
    if (ESCAPES.has(byte)) return IN_STRING;
    if (byte !== LOWER_U) throw unexpected(byte, offset);
    this.hexDigitsLeft = 4;
    return IN_HEX;
  }

  private open(object: boolean, offset: number): State {
    if (this.depth === this.maxDepth) {
      throw new SyntaxError(`it nests deeper than ${this.maxDepth} levels, at byte ${offset}`);
    }
    if (this.depth === this.containers.length) {
      const roomier = new Uint8Array(2 * this.depth);
      roomier.set(this.containers);
      this.containers = roomier;
    }
    this.containers[this.depth++] = object ? 1 : 0;
    return object ? FIRST_KEY : FIRST_ITEM;
  }

  private close(): State {
    this.depth--;
    return AFTER_VALUE;
  }

  private checkUtf8(bytes: Uint8Array, stream: boolean): void {
    try {
      this.utf8.decode(bytes, { stream });
    } catch {
      throw new SyntaxError('it is not UTF-8');
    }
  }
}

/** Arrays and objects inside one another in the input of a task: deeper ones overflow the parsers of agents. */
export const MAX_INPUT_DEPTH = 200;

/** What keeps bytes from being one JSON document; undefined: nothing. */
export function jsonFault(bytes: Uint8Array, maxDepth: number): string | undefined {
  const scanner = new JsonScanner(maxDepth);
  try {
    scanner.push(bytes);
    scanner.end();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the next byte belongs to. */
type State = number;
const [VALUE, FIRST_ITEM, FIRST_KEY, KEY, COLON, AFTER_VALUE, IN_STRING, ESCAPED, IN_HEX, IN_LITERAL] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const FIRST_OF_NUMBERS = 10;
const [AFTER_MINUS, AFTER_ZERO, IN_INTEGER, AFTER_POINT, IN_FRACTION, AFTER_E, AFTER_SIGN, IN_EXPONENT] = [
  10, 11, 12, 13, 14, 15, 16, 17,
];
const COMPLETE_NUMBERS: ReadonlySet<State> = new Set([AFTER_ZERO, IN_INTEGER, IN_FRACTION, IN_EXPONENT]);

const codeOf = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON_SIGN, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [
  ...'"\\,:{}[]',
].map(codeOf);
const [PLUS, MINUS, POINT, ZERO, NINE, UPPER_A, UPPER_E, UPPER_F, LOWER_A, LOWER_E, LOWER_F, LOWER_U] = [
  ...'+-.09AEFaefu',
].map(codeOf);
const [SPACE, TAB, LINE_FEED, RETURN] = [...' \t\n\r'].map(codeOf);
const ESCAPES: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map(codeOf));
const LITERALS: ReadonlyMap<number, string> = new Map(['true', 'false', 'null'].map((text) => [codeOf(text), text]));

const isSpace = (byte: number): boolean => byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB;
const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE;
const isHexDigit = (byte: number): boolean =>
  isDigit(byte) || (byte >= LOWER_A && byte <= LOWER_F) || (byte >= UPPER_A && byte <= UPPER_F);

/** @returns undefined if `byte` is not part of the number */
function nextInNumber(state: State, byte: number): State | undefined {
  const digit = isDigit(byte);
  switch (state) {
    case AFTER_MINUS:
      return byte === ZERO ? AFTER_ZERO : digit ? IN_INTEGER : undefined;
    case AFTER_POINT:
    case IN_FRACTION:
      if (digit) return IN_FRACTION;
      return state === IN_FRACTION && isE(byte) ? AFTER_E : undefined;
    case AFTER_E:
      return digit ? IN_EXPONENT : byte === PLUS || byte === MINUS ? AFTER_SIGN : undefined;
    case AFTER_SIGN:
    case IN_EXPONENT:
      return digit ? IN_EXPONENT : undefined;
  }
  if (digit && state === IN_INTEGER) return IN_INTEGER;
  return byte === POINT ? AFTER_POINT : isE(byte) ? AFTER_E : undefined;
}

/** Its first byte in UTF-8. */
const BYTE_ORDER_MARK = 0xef;

const isE = (byte: number): boolean => byte === LOWER_E || byte === UPPER_E;

/** Index of the first byte from `at` that is special or forbidden inside a string. */
function endOfPlainText(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && bytes[at] >= SPACE && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++;
  return at;
}

function unexpected(byte: number, offset: number): SyntaxError {
  if (byte === BYTE_ORDER_MARK && offset === 0) return new SyntaxError('it begins with a byte order mark');
  const what =
    byte > SPACE && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  return new SyntaxError(`${what} is unexpected at byte ${offset}`);
}
