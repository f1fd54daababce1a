/**
 * JSON (RFC 8259) as a tree. Numbers stay as they were written, so that none loses digits on its way through.
 */
import { refuse } from './agent';

/** Arrays and objects inside each other; deeper documents are refused before they can exhaust the stack. */
const DEPTH_LIMIT: i32 = 64;

export enum Kind {
  Null,
  Boolean,
  Number,
  String,
  Array,
  Object,
}

export class Json {
  /** Of an array its items, of an object the values of its members; null while there are none. */
  private children: Json[] | null = null;
  /** Of an object the names of its members, in the order of `children`. A name given twice is kept twice. */
  private memberNames: string[] | null = null;

  /** @param text of a string its content, of a number, boolean or null the way it is written */
  constructor(
    readonly kind: Kind,
    readonly text: string = '',
  ) {}

  get length(): i32 {
    const children = this.children;
    return children ? children.length : 0;
  }

  /** Item of an array or value of a member, by position. */
  at(index: i32): Json {
    return this.children![index];
  }

  nameAt(index: i32): string {
    return this.memberNames![index];
  }

  push(item: Json): void {
    if (!this.children) this.children = [];
    this.children!.push(item);
  }

  pushMember(name: string, value: Json): void {
    if (!this.memberNames) this.memberNames = [];
    this.memberNames!.push(name);
    this.push(value);
  }

  /** The member of an object, of several with one name the last; null if there is none, or this is no object. */
  member(name: string): Json | null {
    if (this.kind != Kind.Object) return null;
    for (let i = this.length - 1; i >= 0; i--) {
      if (this.nameAt(i) == name) return this.at(i);
    }
    return null;
  }

  /** Compact JSON. */
  toString(): string {
    const parts: string[] = [];
    this.write(parts);
    return parts.join('');
  }

  private write(parts: string[]): void {
    if (this.kind == Kind.String) {
      writeString(this.text, parts);
    } else if (this.kind == Kind.Array || this.kind == Kind.Object) {
      const isObject = this.kind == Kind.Object;
      parts.push(isObject ? '{' : '[');
      for (let i = 0; i < this.length; i++) {
        if (i > 0) parts.push(',');
        if (isObject) {
          writeString(this.nameAt(i), parts);
          parts.push(':');
        }
        this.at(i).write(parts);
      }
      parts.push(isObject ? '}' : ']');
    } else {
      parts.push(this.text);
    }
  }
}

/** Reads one document; ends the agent at the first mistake, with its offset. */
export function parse(text: string): Json {
  return new Reader(text).document();
}

const HEX_DIGITS = '0123456789abcdef';

function writeString(text: string, parts: string[]): void {
  parts.push('"');
  let written = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x20 && code != 0x22 && code != 0x5c) continue;
    if (i > written) parts.push(text.substring(written, i));
    parts.push(escaped(code));
    written = i + 1;
  }
  parts.push(written > 0 ? text.substring(written) : text);
  parts.push('"');
}

function escaped(code: i32): string {
  switch (code) {
    case 0x22:
      return '\\"';
    case 0x5c:
      return '\\\\';
    case 0x0a:
      return '\\n';
    case 0x0d:
      return '\\r';
    case 0x09:
      return '\\t';
    default:
      return '\\u00' + HEX_DIGITS.charAt(code >> 4) + HEX_DIGITS.charAt(code & 15);
  }
}

class Reader {
  private position: i32 = 0;
  private depth: i32 = 0;

  constructor(private readonly text: string) {}

  document(): Json {
    this.skipSpace();
    if (this.peek() < 0) refuse('The input is empty: send one JSON document.');
    const value = this.value();
    this.skipSpace();
    if (this.peek() >= 0) this.expected('the end of the document');
    return value;
  }

  private expected(what: string): void {
    refuse('The input is not valid JSON: ' + what + ' expected at character ' + this.position.toString() + '.');
  }

  /** The next UTF-16 code unit, or -1 at the end. */
  private peek(): i32 {
    return this.position < this.text.length ? this.text.charCodeAt(this.position) : -1;
  }

  private take(wanted: string): bool {
    if (this.peek() != wanted.charCodeAt(0)) return false;
    this.position++;
    return true;
  }

  private skipSpace(): void {
    while (this.peek() == 0x20 || this.peek() == 0x0a || this.peek() == 0x0d || this.peek() == 0x09) this.position++;
  }

  private value(): Json {
    this.skipSpace();
    switch (this.peek()) {
      case 0x7b: // {
        return this.object();
      case 0x5b: // [
        return this.array();
      case 0x22: // "
        return new Json(Kind.String, this.string());
      case 0x74: // t
        return this.word('true', Kind.Boolean);
      case 0x66: // f
        return this.word('false', Kind.Boolean);
      case 0x6e: // n
        return this.word('null', Kind.Null);
      default:
        return this.number();
    }
  }

  private enter(): void {
    this.position++;
    if (++this.depth > DEPTH_LIMIT) refuse('The input nests deeper than ' + DEPTH_LIMIT.toString() + ' levels.');
    this.skipSpace();
  }

  private object(): Json {
    const object = new Json(Kind.Object);
    this.enter();
    if (!this.take('}')) {
      do {
        this.skipSpace();
        const name = this.string();
        this.skipSpace();
        if (!this.take(':')) this.expected("':'");
        object.pushMember(name, this.value());
        this.skipSpace();
      } while (this.take(','));
      if (!this.take('}')) this.expected("',' or '}'");
    }
    this.depth--;
    return object;
  }

  private array(): Json {
    const array = new Json(Kind.Array);
    this.enter();
    if (!this.take(']')) {
      do {
        array.push(this.value());
        this.skipSpace();
      } while (this.take(','));
      if (!this.take(']')) this.expected("',' or ']'");
    }
    this.depth--;
    return array;
  }

  private word(word: string, kind: Kind): Json {
    if (!this.text.startsWith(word, this.position)) this.expected('true, false or null');
    this.position += word.length;
    return new Json(kind, word);
  }

  private number(): Json {
    const start = this.position;
    const isNegative = this.take('-');
    if (!isNegative && !this.isDigit()) this.expected('a value');
    if (!this.take('0')) this.digits();
    if (this.take('.')) this.digits();
    if (this.take('e') || this.take('E')) {
      if (!this.take('-')) this.take('+');
      this.digits();
    }
    return new Json(Kind.Number, this.text.substring(start, this.position));
  }

  private isDigit(): bool {
    return this.peek() >= 0x30 && this.peek() <= 0x39;
  }

  private digits(): void {
    if (!this.isDigit()) this.expected('a digit');
    while (this.isDigit()) this.position++;
  }

  private string(): string {
    if (!this.take('"')) this.expected('a string');
    const start = this.position;
    while (this.peek() >= 0x20 && this.peek() != 0x22 && this.peek() != 0x5c) this.position++;
    const plain = this.text.substring(start, this.position);
    return this.take('"') ? plain : this.stringWithEscapes(plain);
  }

  /** Goes on behind `head`, up to the closing quote. */
  private stringWithEscapes(head: string): string {
    const parts: string[] = [head];
    while (!this.take('"')) {
      if (this.take('\\')) {
        parts.push(this.escape());
        continue;
      }
      const start = this.position;
      while (this.peek() >= 0x20 && this.peek() != 0x22 && this.peek() != 0x5c) this.position++;
      if (this.position == start) this.expected('the rest of a string');
      parts.push(this.text.substring(start, this.position));
    }
    return parts.join('');
  }

  /** What an escape stands for; the backslash has been read. Surrogates meet their other half in the string. */
  private escape(): string {
    const code = this.peek();
    this.position++;
    switch (code) {
      case 0x22:
        return '"';
      case 0x5c:
        return '\\';
      case 0x2f:
        return '/';
      case 0x62:
        return '\b';
      case 0x66:
        return '\f';
      case 0x6e:
        return '\n';
      case 0x72:
        return '\r';
      case 0x74:
        return '\t';
      case 0x75:
        return String.fromCharCode(this.hex4());
      default:
        this.position--;
        this.expected('an escape sequence');
        return '';
    }
  }

  private hex4(): i32 {
    let code = 0;
    for (let i = 0; i < 4; i++) {
      const digit = HEX_DIGITS.indexOf(String.fromCharCode(this.peek() | 0x20));
      if (this.peek() < 0 || digit < 0) this.expected('a hexadecimal digit');
      code = code * 16 + digit;
      this.position++;
    }
    return code;
  }
}
