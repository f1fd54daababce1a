import { once } from 'node:events';
import type { Response } from 'express';
import type { AppError } from '../common/app-error.js';
import { stringify } from '../common/raw-json.js';
import type { FeedEvent } from '../feed/index.js';
import { GRACE_MS, QUEUED_AT_ALL, QUEUED_FOR_LONG } from './fan-out.js';
import type { Subscriber } from './hub.js';

/** Shorter than the 30–60 s after which proxies cut a silent connection, ms. */
const KEEP_ALIVE_MS = 15_000;
const LINE_BREAK = /\r\n|\r|\n/g;

/** One response as a stream of server-sent events (WHATWG HTML, section 9.2). */
export class EventStreamResponse implements Subscriber {
  private keepAlive: NodeJS.Timeout | undefined;
  /** Since when it has waited, milliseconds since the epoch. */
  private behindSince = Infinity;

  /**
   * @param see the event as the reader may see it; null: hidden
   * @param isLast the event after which the stream ends
   */
  constructor(
    private readonly response: Response,
    private readonly see: (event: FeedEvent) => FeedEvent | null,
    private readonly isLast: (event: FeedEvent) => boolean,
  ) {
    response.on('close', () => clearInterval(this.keepAlive));
  }

  /** Sends the headers unless they are already out. */
  open(): void {
    if (this.response.headersSent) return;
    this.response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    this.response.flushHeaders();
    this.keepAlive = setInterval(() => this.response.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
  }

  /**
   * Sends a live event. A reader too far behind is cut off; it reconnects with `Last-Event-ID` and reads from the
   * table.
   */
  deliver(event: FeedEvent): void {
    this.send(event);
    const { writableLength } = this.response;
    if (writableLength <= QUEUED_FOR_LONG) this.behindSince = Infinity;
    else this.behindSince = Math.min(this.behindSince, Date.now());
    if (writableLength > QUEUED_AT_ALL || Date.now() - this.behindSince > GRACE_MS) this.response.destroy();
  }

  send(event: FeedEvent): void {
    if (this.closed) return;
    this.open();
    const seen = this.see(event);
    if (seen) {
      // A document may have line breaks between its tokens. Each line needs its own `data:` field.
      const data = stringify(seen).replace(LINE_BREAK, '\ndata: ');
      this.response.write(`id: ${seen.seq}\nevent: ${seen.type}\ndata: ${data}\n\n`);
    }
    if (this.isLast(event)) this.end();
  }

  /** Reports that events after the cursor were deleted. It has no id, so a reader that resumes keeps its own cursor. */
  tellGap(oldestSeq: number): void {
    if (this.closed) return;
    this.open();
    this.response.write(`event: gap\ndata: ${JSON.stringify({ oldest_seq: oldestSeq })}\n\n`);
  }

  /** Says why the stream ends. It has no id, like a gap. */
  endFor({ code, message }: AppError): void {
    if (this.closed) return;
    this.open();
    this.response.write(`event: closing\ndata: ${JSON.stringify({ code, message })}\n\n`);
    this.end();
    // A client that does not read would keep the connection open.
    setTimeout(() => this.response.destroy(), GRACE_MS).unref();
  }

  /** Resolves when the reader has taken what was sent so far, or has left. */
  async drained(): Promise<void> {
    if (this.closed || !this.response.writableNeedDrain) return;
    const left = new AbortController();
    const leave = (): void => left.abort();
    this.response.once('close', leave);
    await once(this.response, 'drain', { signal: left.signal }).catch(() => undefined);
    this.response.off('close', leave);
  }

  end(): void {
    // A slow reader may take long to read the rest. A comment written after the end would be an error that ends the
    // process.
    clearInterval(this.keepAlive);
    this.response.end();
  }

  endEmpty(): void {
    this.response.status(204);
    this.end();
  }

  get closed(): boolean {
    return this.response.destroyed || this.response.writableEnded;
  }

  onClose(listener: () => void): void {
    this.response.on('close', listener);
  }
}
