import { GrowingBytes } from './growing-bytes.js';

const TAIL_BYTES = 2048;
const NEWLINE = 10;

/**
 * Standard error of one run: split into lines that are passed on as they are completed, the first `maxBytes` and
 * `maxLines` of them, and besides that the last 2 KiB whatever came before. What is beyond is dropped unread, so that
 * a flood costs the agent its time and the server nothing.
 *
 * Lines go to logs, terminals and databases: bytes that are not UTF-8 and control characters become U+FFFD.
 */
export class StandardError {
  private readonly end = new Tail();
  private readonly unfinished: GrowingBytes;
  private keptBytes = 0;
  private keptLines = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxLines: number,
    private readonly pass: (lines: string[]) => void,
  ) {
    this.unfinished = new GrowingBytes(maxBytes);
  }

  write(bytes: Uint8Array): void {
    this.end.write(bytes);
    let rest = bytes.subarray(0, this.maxBytes - this.keptBytes);
    if (rest.length === 0) return;
    this.keptBytes += rest.length;
    const lines: string[] = [];
    for (let at = rest.indexOf(NEWLINE); at >= 0 && this.hasRoom(lines); at = rest.indexOf(NEWLINE)) {
      this.unfinished.write(rest.subarray(0, at));
      lines.push(decoded(this.unfinished.bytes));
      this.unfinished.clear();
      rest = rest.subarray(at + 1);
    }
    if (this.hasRoom(lines)) this.unfinished.write(rest);
    else this.keptBytes = this.maxBytes;
    this.keptLines += lines.length;
    if (lines.length > 0) this.pass(lines);
  }

  /** The last line may have no line feed. */
  finish(): void {
    const { bytes } = this.unfinished;
    if (bytes.length > 0 && this.keptLines < this.maxLines) this.pass([decoded(bytes)]);
    this.unfinished.clear();
  }

  get tail(): string {
    return decoded(this.end.bytes).trimEnd();
  }

  private hasRoom(lines: string[]): boolean {
    return this.keptLines + lines.length < this.maxLines;
  }
}

/** The last `TAIL_BYTES` written: a buffer twice as large, whose second half moves to the front when it is full. */
class Tail {
  private readonly buffer = new Uint8Array(2 * TAIL_BYTES);
  private length = 0;

  get bytes(): Uint8Array {
    return this.buffer.subarray(Math.max(0, this.length - TAIL_BYTES), this.length);
  }

  write(bytes: Uint8Array): void {
    const added = bytes.subarray(-TAIL_BYTES);
    if (this.length + added.length > this.buffer.length) {
      this.buffer.copyWithin(0, this.length - TAIL_BYTES, this.length);
      this.length = TAIL_BYTES;
    }
    this.buffer.set(added, this.length);
    this.length += added.length;
  }
}

const decoder = new TextDecoder();
const decoded = (bytes: Uint8Array): string =>
  decoder
    .decode(bytes)
    .replace(/\r$/, '')
    .replace(/(?![\t\n])\p{Cc}/gu, '\u{fffd}');
