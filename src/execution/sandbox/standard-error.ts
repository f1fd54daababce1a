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
  private end = new Uint8Array(0);
  private unfinished = new Uint8Array(0);
  private keptBytes = 0;
  private keptLines = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxLines: number,
    private readonly pass: (lines: string[]) => void,
  ) {}

  write(bytes: Uint8Array): void {
    this.end = lastBytes(this.end, bytes);
    let rest = bytes.subarray(0, this.maxBytes - this.keptBytes);
    this.keptBytes += rest.length;
    const lines: string[] = [];
    for (let at = rest.indexOf(NEWLINE); at >= 0 && this.hasRoom(lines); at = rest.indexOf(NEWLINE)) {
      lines.push(printable(joined(this.unfinished, rest.subarray(0, at))));
      this.unfinished = new Uint8Array(0);
      rest = rest.subarray(at + 1);
    }
    if (this.hasRoom(lines)) this.unfinished = joined(this.unfinished, rest);
    else this.keptBytes = this.maxBytes;
    this.keptLines += lines.length;
    if (lines.length > 0) this.pass(lines);
  }

  /** The last line may have no line feed. */
  finish(): void {
    if (this.unfinished.length > 0 && this.keptLines < this.maxLines) this.pass([printable(this.unfinished)]);
    this.unfinished = new Uint8Array(0);
  }

  get tail(): string {
    return printable(this.end).trimEnd();
  }

  private hasRoom(lines: string[]): boolean {
    return this.keptLines + lines.length < this.maxLines;
  }
}

function lastBytes(before: Uint8Array, added: Uint8Array): Uint8Array<ArrayBuffer> {
  if (added.length >= TAIL_BYTES) return added.slice(-TAIL_BYTES);
  return joined(before.subarray(Math.max(0, before.length + added.length - TAIL_BYTES)), added);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const decoder = new TextDecoder();
const printable = (bytes: Uint8Array): string =>
  decoder
    .decode(bytes)
    .replace(/\r$/, '')
    .replace(/(?![\t\n])\p{Cc}/gu, '\u{fffd}');
