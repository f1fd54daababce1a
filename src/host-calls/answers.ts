import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { type AskedQuestion, TaskQuestions } from '../tasks/index.js';
import { RowWaits } from './row-waits.js';

/** Waits for answers to questions. Signals of the feed make it quick; the table decides. */
@Injectable()
export class Answers implements OnApplicationShutdown {
  private readonly waits: RowWaits<string>;
  /** Tasks of the questions that are waited for. */
  private readonly tasks = new Map<string, string>();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly questions: TaskQuestions,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    const read = (ids: readonly string[]): Promise<ReadonlyMap<string, string>> => questions.answers(ids);
    this.waits = new RowWaits(read, new Logger('Answers'), 'agents may wait longer for answers');
    this.unsubscribe = stream.subscribe(({ signals }) => {
      const tasks = new Set(signals.filter(({ type }) => type === 'task.input_received').map(({ id }) => id));
      if (tasks.size > 0) this.waits.look([...this.tasks].filter(([, id]) => tasks.has(id)).map(([id]) => id));
    });
  }

  /**
   * Waits for the answer to an open question. When its time is over, the question is closed.
   * @returns JSON text; null when the time is over @throws the signal's reason when it aborts; the question stays open
   */
  async wait(taskId: string, { id, leftMs }: AskedQuestion, signal: AbortSignal): Promise<string | null> {
    this.tasks.set(id, taskId);
    try {
      return (await this.waits.wait(id, leftMs, signal)) ?? (await this.questions.close(id));
    } finally {
      this.tasks.delete(id);
    }
  }

  onApplicationShutdown(): void {
    this.waits.stop();
    this.unsubscribe();
  }
}
