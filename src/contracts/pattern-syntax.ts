/** A parsed regular expression. Ranges are of code points, both ends included. */
export type Atom =
  | { kind: 'set'; ranges: [number, number][]; negated: boolean }
  | { kind: 'start' | 'end' }
  | { kind: 'sequence'; parts: Atom[] }
  | { kind: 'choice'; options: Atom[] }
  | { kind: 'repeat'; part: Atom; least: number; most: number };

const MAX_LENGTH = 256;
const MAX_DEPTH = 20;
const MAX_REPETITIONS = 1000;

const DIGITS: [number, number][] = [[0x30, 0x39]];
const WORDS: [number, number][] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const SPACES: [number, number][] = [
  [0x9, 0xd],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: [number, number][] = [
  [0xa, 0xa],
  [0xd, 0xd],
  [0x2028, 0x2029],
];
const CLASSES: Record<string, [number, number][]> = { d: DIGITS, w: WORDS, s: SPACES };
const CONTROLS: Record<string, number> = { n: 0xa, r: 0xd, t: 0x9, f: 0xc, v: 0xb, 0: 0 };

/** @throws SyntaxError that says what the pattern has and may not have */
export function parsePattern(source: string): Atom {
  if (source.length > MAX_LENGTH) throw new SyntaxError(`has more than ${MAX_LENGTH} characters`);
  try {
    // Refuses what no engine takes.
    new RegExp(source, 'u');
  } catch (error) {
    throw new SyntaxError(`is no regular expression: ${(error as Error).message.replace(/^.*: /, '')}`);
  }
  return new Parser([...source]).whole();
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string[]) {}

  whole(): Atom {
    const atom = this.choice();
    if (this.at < this.text.length) throw new SyntaxError('has a bracket too many');
    return atom;
  }

  private choice(): Atom {
    if (++this.depth > MAX_DEPTH) throw new SyntaxError(`nests deeper than ${MAX_DEPTH} groups`);
    const options = [this.sequence()];
    while (this.take('|')) options.push(this.sequence());
    this.depth--;
    return options.length === 1 ? options[0] : { kind: 'choice', options };
  }

  private sequence(): Atom {
    const parts: Atom[] = [];
    while (this.at < this.text.length && !'|)'.includes(this.text[this.at])) parts.push(this.repeated());
    return { kind: 'sequence', parts };
  }

  private repeated(): Atom {
    const part = this.atom();
    const [least, most] = this.repetitions();
    if (least === 1 && most === 1) return part;
    if (Math.max(least, most === Infinity ? 0 : most) > MAX_REPETITIONS)
      throw new SyntaxError(`repeats something more than ${MAX_REPETITIONS} times`);
    this.take('?');
    return { kind: 'repeat', part, least, most };
  }

  private repetitions(): [number, number] {
    if (this.take('*')) return [0, Infinity];
    if (this.take('+')) return [1, Infinity];
    if (this.take('?')) return [0, 1];
    const counted = /^\{(\d+)(,?)(\d*)\}/.exec(this.text.slice(this.at, this.at + 40).join(''));
    if (!counted) return [1, 1];
    this.at += counted[0].length;
    const [least, most] = [Number(counted[1]), counted[3] === '' ? Infinity : Number(counted[3])];
    return [least, counted[2] === '' ? least : most];
  }

  private atom(): Atom {
    const character = this.text[this.at++];
    switch (character) {
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '.':
        return { kind: 'set', ranges: LINE_ENDS, negated: true };
      case '(':
        return this.group();
      case '[':
        return this.set();
      case '\\':
        return this.escaped();
      default:
        return single(character.codePointAt(0) as number);
    }
  }

  private group(): Atom {
    if (this.take('?') && !this.take(':'))
      throw new SyntaxError('has a look-around or a named group, which is not supported');
    const inner = this.choice();
    this.take(')');
    return inner;
  }

  private escaped(): Extract<Atom, { kind: 'set' }> {
    const letter = this.text[this.at++];
    const known = CLASSES[letter.toLowerCase()];
    if (known) return { kind: 'set', ranges: known, negated: letter !== letter.toLowerCase() };
    if (/[1-9kbBpP]/.test(letter)) throw new SyntaxError(`has \\${letter}, which is not supported`);
    if (letter === 'c') return single((this.text[this.at++].codePointAt(0) as number) % 32);
    if (letter in CONTROLS) return single(CONTROLS[letter]);
    if (letter === 'x' || letter === 'u') {
      const point = this.hexadecimal(letter);
      if (point >= 0xd800 && point <= 0xdfff)
        throw new SyntaxError('has half a surrogate pair: write the character itself');
      return single(point);
    }
    return single(letter.codePointAt(0) as number);
  }

  private hexadecimal(letter: string): number {
    if (this.take('{')) {
      const end = this.text.indexOf('}', this.at);
      const digits = this.text.slice(this.at, end).join('');
      this.at = end + 1;
      return Number.parseInt(digits, 16);
    }
    const length = letter === 'x' ? 2 : 4;
    const digits = this.text.slice(this.at, this.at + length).join('');
    this.at += length;
    return Number.parseInt(digits, 16);
  }

  private set(): Atom {
    const negated = this.take('^');
    const ranges: [number, number][] = [];
    while (!this.take(']')) {
      const low = this.member();
      if (low.negated || low.ranges.length !== 1 || this.text[this.at] !== '-' || this.text[this.at + 1] === ']') {
        ranges.push(...(low.negated ? complement(low.ranges) : low.ranges));
        continue;
      }
      this.at++;
      ranges.push([low.ranges[0][0], this.member().ranges[0][1]]);
    }
    return { kind: 'set', ranges, negated };
  }

  private member(): Extract<Atom, { kind: 'set' }> {
    const character = this.text[this.at++];
    if (character !== '\\') return single(character.codePointAt(0) as number);
    // In a class it is no word boundary.
    if (this.take('b')) return single(8);
    return this.escaped();
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }
}

const single = (point: number): Extract<Atom, { kind: 'set' }> => ({
  kind: 'set',
  ranges: [[point, point]],
  negated: false,
});

/** What sorted ranges leave out. */
function complement(ranges: [number, number][]): [number, number][] {
  const left: [number, number][] = [];
  let from = 0;
  for (const [low, high] of ranges) {
    if (low > from) left.push([from, low - 1]);
    from = high + 1;
  }
  return [...left, [from, 0x10ffff]];
}
