import type { Response } from 'express';
import type { FeedEvent } from '../feed/index.js';
import type { Subscriber } from './hub.js';

/** Below the 30–60 s after which proxies cut a silent connection, ms. */
const KEEP_ALIVE_MS = 15_000;
/** A reader this far behind is cut off; it comes back with `Last-Event-ID` and reads from the table. Bytes. */
const MAX_BUFFERED = 1024 * 1024;

const ENDS = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/** One response as a stream of server-sent events (WHATWG HTML, section 9.2); it ends with the task. */
export class EventStreamResponse implements Subscriber {
  private keepAlive: NodeJS.Timeout | undefined;

  constructor(private readonly response: Response) {
    response.on('close', () => clearInterval(this.keepAlive));
  }

  /** Sends the headers, if they are not out yet. */
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

  deliver(event: FeedEvent): void {
    if (this.response.writableEnded) return;
    this.open();
    this.response.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    if (ENDS.has(event.type)) this.end();
    else if (this.response.writableLength > MAX_BUFFERED) this.response.destroy();
  }

  end(): void {
    this.response.end();
  }

  endEmpty(): void {
    this.response.status(204).end();
  }

  onClose(listener: () => void): void {
    this.response.on('close', listener);
  }
}
