import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { MAX_TIMER_MS } from '../common/timers.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import { type AskedQuestion, TaskQuestions } from '../tasks/index.js';

/** How often a worker looks for answers whose signal was lost, ms. */
const LOOK_MS = 2_000;

interface Waiting {
  taskId: string;
  resolve: (answer: string | null) => void;
}

/** Waits for answers to questions. Signals of the feed make it quick; the table decides. */
@Injectable()
export class Answers implements OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('Answers'), 'agents may wait longer for answers');
  /** By question. */
  private readonly waiting = new Map<string, Waiting>();
  private readonly clock = setInterval(() => this.look([...this.waiting.keys()]), LOOK_MS);
  private readonly unsubscribe: () => void;

  constructor(
    private readonly questions: TaskQuestions,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    this.unsubscribe = stream.subscribe(({ signals }) => {
      const tasks = new Set(signals.filter(({ type }) => type === 'task.input_received').map(({ id }) => id));
      if (tasks.size === 0) return;
      this.look([...this.waiting].filter(([, { taskId }]) => tasks.has(taskId)).map(([id]) => id));
    });
  }

  /**
   * Waits for the answer to an open question. When its time is over, the question is closed.
   * @returns JSON text; null when the time is over @throws the signal's reason when it aborts; the question stays open
   */
  async wait(taskId: string, { id, leftMs }: AskedQuestion, signal: AbortSignal): Promise<string | null> {
    signal.throwIfAborted();
    let expiry: NodeJS.Timeout | undefined;
    let stop = (): void => undefined;
    const answered = new Promise<string | null>((resolve, reject) => {
      this.waiting.set(id, { taskId, resolve });
      expiry = setTimeout(() => resolve(null), Math.min(leftMs, MAX_TIMER_MS));
      stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
    });
    // The answer may have come since the question was read.
    this.look([id]);
    try {
      return (await answered) ?? (await this.questions.close(id));
    } finally {
      clearTimeout(expiry);
      signal.removeEventListener('abort', stop);
      this.waiting.delete(id);
    }
  }

  onApplicationShutdown(): void {
    clearInterval(this.clock);
    this.unsubscribe();
  }

  private look(ids: readonly string[]): void {
    if (ids.length === 0) return;
    this.questions
      .answers(ids)
      .then((answers) => answers.forEach((answer, id) => this.waiting.get(id)?.resolve(answer)))
      .catch(this.warnOfOutage);
  }
}
