/**
 * Writes modules too large, too odd or too wrong for WebAssembly's text format, section by section.
 *
 * Source: WebAssembly core specification, chapter 5 "Binary Format".
 */
export function binary(...sections: Uint8Array[]): Buffer {
  return Buffer.concat([HEADER, ...sections]);
}

const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
} as const;

export function section(id: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Uint8Array.of(id), leb(body.length), body]);
}

/** A section that is a vector of `items`. */
export const vector = (id: number, items: Uint8Array[]): Buffer => section(id, leb(items.length), ...items);

/** A section that is a vector of `count` times the same `item`. */
export const repeated = (id: number, count: number, item: Uint8Array): Buffer =>
  section(id, leb(count), times(count, item));

export const times = (count: number, item: Uint8Array): Buffer => Buffer.alloc(count * item.length, item);

/** Unsigned LEB128. */
export function leb(value: number): Uint8Array {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return Uint8Array.from(bytes);
}

export const name = (text: string): Buffer => Buffer.concat([leb(Buffer.byteLength(text)), Buffer.from(text)]);

/** A function body: declarations of locals, then instructions. */
export function body(instructions: Uint8Array, locals: Uint8Array = Uint8Array.of(0)): Buffer {
  const content = Buffer.concat([locals, instructions, Uint8Array.of(0x0b)]);
  return Buffer.concat([leb(content.length), content]);
}

/** `() -> ()` */
const NO_ARGUMENTS = Uint8Array.of(0x60, 0, 0);

export interface Parts {
  /** Of `_start`, which is the last function. */
  start?: Uint8Array;
  locals?: Uint8Array;
  /** Functions before it, all `() -> ()`. */
  others?: { count: number; body: Uint8Array };
  /** Further sections, each put at its place. */
  more?: { after: number; sections: Uint8Array[] };
  /** Types after the first, which is `() -> ()`. */
  types?: { count: number; bytes: Uint8Array };
}

/** A module with a memory and a `_start` that does nothing, or what is given instead. */
export function agentBinary({ start = new Uint8Array(), locals, others, more, types }: Parts = {}): Buffer {
  const before = others?.count ?? 0;
  const sections: [number, Buffer][] = [
    [SECTION.type, section(SECTION.type, leb(1 + (types?.count ?? 0)), NO_ARGUMENTS, types?.bytes ?? Buffer.alloc(0))],
    [SECTION.function, repeated(SECTION.function, before + 1, Uint8Array.of(0))],
    [SECTION.memory, vector(SECTION.memory, [Uint8Array.of(0, 1)])],
    [
      SECTION.export,
      vector(SECTION.export, [
        Buffer.concat([name('memory'), Uint8Array.of(2, 0)]),
        Buffer.concat([name('_start'), Uint8Array.of(0), leb(before)]),
      ]),
    ],
    [
      SECTION.code,
      section(
        SECTION.code,
        leb(before + 1),
        times(before, others?.body ?? body(new Uint8Array())),
        body(start, locals),
      ),
    ],
  ];
  return binary(...sections.flatMap(([id, bytes]) => (more?.after === id ? [bytes, ...more.sections] : [bytes])));
}
