import { refuse } from './refusal.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Names end up in databases that cannot store NUL, and on terminals that obey escape sequences. */
const CONTROL_CHARACTER = /\p{Cc}/u;

/**
 * Reads the primitive values of the WebAssembly binary format from front to back, and never past `end`. It copies
 * nothing and moves an index only, which is what makes a walk over 50 MB a matter of milliseconds.
 *
 * Every method refuses (see `refusal.ts`) what the format forbids: integers of too many bytes or bits, and values that
 * reach beyond the part of the file they belong to.
 *
 * Source: WebAssembly core specification, chapter 5.2 "Values".
 */
export class ByteReader {
  offset = 0;
  /** First byte that may not be read: the end of the file, or of the section or function body being read. */
  end: number;
  /** What ends at `end`, for messages. */
  scope = 'file';

  constructor(readonly bytes: Uint8Array) {
    this.end = bytes.length;
  }

  get size(): number {
    return this.bytes.length;
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  u8(): number {
    if (this.offset >= this.end) this.overrun(1);
    return this.bytes[this.offset++];
  }

  /** The next byte, which stays to be read. */
  peek(): number {
    if (this.offset >= this.end) this.overrun(1);
    return this.bytes[this.offset];
  }

  /** Unsigned LEB128 of at most 32 bits: at most five bytes; the last one carries four bits. */
  u32(): number {
    const start = this.offset;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    const last = this.u8();
    if (last > 0x0f) this.malformedInteger(start, 32);
    return (value | (last << 28)) >>> 0;
  }

  /** Unsigned LEB128 of at most 64 bits, rounded to a double above 2^53. */
  u64(): number {
    const start = this.offset;
    let value = 0;
    for (let weight = 1; weight < 2 ** 63; weight *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
    const last = this.u8();
    if (last > 1) this.malformedInteger(start, 64);
    return value + last * 2 ** 63;
  }

  /** Signed LEB128; the unused bits of a last possible byte must repeat the sign. */
  skipSigned(bits: 32 | 64): void {
    const start = this.offset;
    const fullBytes = Math.floor((bits - 1) / 7);
    for (let read = 0; read < fullBytes; read++) {
      if (this.u8() < 0x80) return;
    }
    const last = this.u8();
    const signBits = 0x7f & (0x7f << (bits - 7 * fullBytes - 1));
    const sign = last & signBits;
    if (last >= 0x80 || (sign !== 0 && sign !== signBits)) this.malformedInteger(start, bits);
  }

  skip(count: number): void {
    if (count > this.end - this.offset) this.overrun(count);
    this.offset += count;
  }

  /** A length, then that many bytes of UTF-8. */
  name(maxBytes: number): string {
    const start = this.offset;
    const length = this.u32();
    const first = this.offset;
    this.skip(length);
    if (length > maxBytes) {
      refuse('NAME_TOO_LONG', `The name at byte ${first} has ${length} bytes; the limit is ${maxBytes}.`, start);
    }
    const text = this.decode(first, first + length);
    if (text === null) refuse('INVALID_NAME', `The name at byte ${first} is not UTF-8.`, start);
    if (CONTROL_CHARACTER.test(text)) {
      refuse('CONTROL_CHARACTER_IN_NAME', `The name at byte ${first} contains a control character.`, start);
    }
    return text;
  }

  private decode(from: number, to: number): string | null {
    try {
      return utf8.decode(this.bytes.subarray(from, to));
    } catch {
      return null;
    }
  }

  private malformedInteger(start: number, bits: number): never {
    refuse('INVALID_LEB128', `The integer at byte ${start} does not fit into ${bits} bits.`, start);
  }

  private overrun(count: number): never {
    const wanted = `At byte ${this.offset} the module needs ${count} more byte${count === 1 ? '' : 's'}`;
    if (this.scope === 'file') refuse('TRUNCATED_MODULE', `${wanted}, but the file ends at ${this.end}.`, this.offset);
    refuse('SECTION_SIZE_MISMATCH', `${wanted}, but the ${this.scope} ends at ${this.end}.`, this.offset);
  }
}
