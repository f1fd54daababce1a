const FIRST_CAPACITY = 16 * 1024;

/** Bytes in one buffer that doubles: an agent may well write byte by byte. */
export class GrowingBytes {
  private buffer = new Uint8Array(0);
  private length = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Bytes it still takes. */
  get room(): number {
    return this.maxBytes - this.length;
  }

  /** @param bytes no more than `room` of them */
  write(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.buffer.length) {
      const larger = new Uint8Array(Math.min(this.maxBytes, Math.max(length, 2 * this.buffer.length, FIRST_CAPACITY)));
      larger.set(this.bytes);
      this.buffer = larger;
    }
    this.buffer.set(bytes, this.length);
    this.length = length;
  }

  clear(): void {
    this.length = 0;
  }
}
