const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A component that is damaged, or uses what this server does not support. The message is for its developer. */
export class ComponentFault extends Error {
  /** @param unsupported whether the component may be fine, and only asks for too much */
  constructor(
    message: string,
    /** Byte of the file at which it was seen. */
    readonly offset: number,
    readonly unsupported = false,
  ) {
    super(message);
  }
}

/** Entries that all vectors of a component may have together: each costs memory. */
const MOST_ENTRIES = 200_000;
const LONGEST_NAME = 1024;
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Reads the values of the binary format from front to back. Every method throws ComponentFault for what is not there. */
export class ComponentReader {
  offset = 0;
  /** First byte that may not be read. */
  end: number;
  private entries = 0;

  constructor(readonly bytes: Uint8Array) {
    this.end = bytes.length;
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  u8(): number {
    if (this.offset >= this.end) this.fail('the file or section ends too early');
    return this.bytes[this.offset++];
  }

  /** Unsigned LEB128 of at most five bytes. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value <= 0xffff_ffff ? value : this.fail('an integer does not fit into 32 bits');
    }
    return this.fail('an integer has too many bytes');
  }

  name(): string {
    const length = this.u32();
    if (length > LONGEST_NAME) this.fail(`a name has ${length} bytes (limit ${LONGEST_NAME})`);
    const start = this.offset;
    this.skip(length);
    let name: string;
    try {
      name = utf8.decode(this.bytes.subarray(start, this.offset));
    } catch {
      return this.fail('a name is not UTF-8');
    }
    return CONTROL_CHARACTER.test(name) ? this.fail('a name contains a control character') : name;
  }

  skip(length: number): void {
    if (length > this.end - this.offset) this.fail('the file or section ends too early');
    this.offset += length;
  }

  vector<Entry>(read: () => Entry): Entry[] {
    const count = this.u32();
    this.entries += count;
    if (this.entries > MOST_ENTRIES) this.unsupported(`it has more than ${MOST_ENTRIES} definitions`);
    const entries: Entry[] = [];
    for (let index = 0; index < count; index++) entries.push(read());
    return entries;
  }

  optional<Value>(read: () => Value): Value | undefined {
    const flag = this.u8();
    if (flag > 1) this.fail('a flag is neither 0 nor 1');
    return flag === 1 ? read() : undefined;
  }

  fail(message: string): never {
    throw new ComponentFault(message, this.offset);
  }

  unsupported(message: string): never {
    throw new ComponentFault(message, this.offset, true);
  }
}
