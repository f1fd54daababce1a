/** The module with a custom section of so many bytes, of every value: another binary that does the same. */
export function padded(wasm: Buffer, bytes: number): Buffer<ArrayBuffer> {
  const content = Buffer.alloc(bytes, Buffer.from(Array.from({ length: 256 }, (_, value) => value)));
  const name = Buffer.from('\x03pad');
  return Buffer.concat([wasm, Buffer.from([0]), leb128(name.length + bytes), name, content]);
}

/** Always four bytes, so that sizes add up. */
const leb128 = (value: number): Buffer =>
  Buffer.from([0, 7, 14, 21].map((shift, index) => ((value >> shift) & 0x7f) | (index < 3 ? 0x80 : 0)));
