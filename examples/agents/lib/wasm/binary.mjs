/**
 * Reads and writes the sections of a WebAssembly binary, for the bundlers of scripted agents.
 * Format: https://webassembly.github.io/spec/core/binary/modules.html
 */
export const SECTION = { custom: 0, memory: 5, global: 6, export: 7, data: 11, dataCount: 12 };
export const HEADER = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** @returns the sections in their order, as `{ id, content }` */
export function readSections(wasm) {
  const found = [];
  for (let at = HEADER.length; at < wasm.length;) {
    const { value, end } = readUnsigned(wasm, at + 1);
    found.push({ id: wasm[at], content: wasm.subarray(end, end + value) });
    at = end + value;
  }
  return found;
}

export function writeSections(sections) {
  const parts = sections.flatMap(({ id, content }) => [Buffer.from([id]), unsigned(content.length), content]);
  return Buffer.concat([HEADER, ...parts]);
}

/** An active data segment: `bytes` are in the memory at `address` when the module starts. */
export function dataSegment(address, bytes) {
  return Buffer.concat([Buffer.from([0, 0x41]), signed(address), Buffer.from([0x0b]), unsigned(bytes.length), bytes]);
}

/** Reads a LEB128 number of at most 32 bits. @returns the number, and where it ends */
export function readUnsigned(bytes, start) {
  let value = 0;
  let end = start;
  for (let scale = 1; ; scale *= 128) {
    value += (bytes[end] & 0x7f) * scale;
    if (bytes[end++] < 0x80) return { value, end };
  }
}

/** Writes a number as unsigned LEB128. */
export function unsigned(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** Writes an i32 as signed LEB128: bit 6 of the last byte is the sign. */
export function signed(value) {
  const bytes = [];
  for (let left = value | 0; ; left >>= 7) {
    const byte = left & 0x7f;
    if (left >> 6 === 0 || left >> 6 === -1) return Buffer.from([...bytes, byte]);
    bytes.push(byte | 0x80);
  }
}
