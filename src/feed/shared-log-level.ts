import { Inject, Injectable, Logger } from '@nestjs/common';
import { newId } from '../common/ids.js';
import { LOG_LEVELS, type LogLevel } from '../config/index.js';
import { setLogLevel } from '../observability/index.js';
import { EventLog } from './event-log.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';

/**
 * How much every process writes into its log, changed while they run, from any of them. The doorbell alone carries it: a process
 * that is cut off from the others or starts later does not hear of it, and goes by its own `LOG_LEVEL`.
 */
@Injectable()
export class SharedLogLevel {
  private readonly logger = new Logger('Log');
  /** This process, which does not heed its own ring: by the time it comes another level may have been set. */
  private readonly here = newId();

  constructor(
    private readonly events: EventLog,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    stream.subscribe(({ signals }) => {
      for (const { type, id } of signals) if (type === 'log_level.changed') this.heed(id);
    });
  }

  /** Here at once, elsewhere as soon as the ring arrives. */
  set(level: LogLevel): void {
    setLogLevel(level);
    this.events.signal('log_level.changed', `${this.here} ${level}`);
  }

  private heed(signal: string): void {
    const [from, asked] = signal.split(' ');
    const level = LOG_LEVELS.find((known) => known === asked);
    if (!level || from === this.here) return;
    setLogLevel(level);
    this.logger.log(`writes from now on: ${level}`);
  }
}
