import { Inject, Injectable, Logger } from '@nestjs/common';
import { newId } from '../common/ids.js';
import { LOG_LEVELS, type LogLevel } from '../config/index.js';
import { setLogLevel } from '../observability/index.js';
import { EventLog } from './event-log.js';
import { EVENT_STREAM, type EventStream } from './event-stream.js';

/**
 * The log level of all processes, changed at run time from any of them. It travels only as a notification. A process
 * that is cut off or starts later does not receive it, and uses its own `LOG_LEVEL`.
 */
@Injectable()
export class SharedLogLevel {
  private readonly logger = new Logger('Log');
  /** Identifies this process, which ignores its own notification: another level may have been set before it arrives. */
  private readonly here = newId();

  constructor(
    private readonly events: EventLog,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    stream.subscribe(({ signals }) => {
      for (const { type, id } of signals) if (type === 'log_level.changed') this.heed(id);
    });
  }

  /** Effective here at once, elsewhere as soon as the notification arrives. */
  set(level: LogLevel): void {
    setLogLevel(level);
    this.events.signal('log_level.changed', `${this.here} ${level}`);
  }

  private heed(signal: string): void {
    const [from, asked] = signal.split(' ');
    const level = LOG_LEVELS.find((known) => known === asked);
    if (!level || from === this.here) return;
    setLogLevel(level);
    this.logger.log(`log level is now ${level}`);
  }
}
