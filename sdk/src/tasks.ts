import type { Api } from './api.js';
import type { Schemas } from './api-types.js';
import { hasCode, TaskError } from './errors.js';
import { type FeedEvent, follow, type FollowOptions } from './events.js';
import { jsonRequest } from './transport.js';
import { upload, type UploadOptions } from './upload.js';

export type Task = Schemas['TaskDto'];
export type NewTask = Schemas['SubmitTaskDto'];
export type Question = Schemas['QuestionDto'];

export interface SubmitOptions {
  /**
   * A submission with a key that was used before answers the earlier task. By default each call has a new key, so a
   * request that is sent again after a fault submits one task.
   */
  idempotencyKey?: string;
  /** The input as JSON text, in place of `input`: agents read it byte for byte, and parsing rounds large numbers. */
  inputText?: string;
  signal?: AbortSignal;
}

export interface WaitOptions {
  signal?: AbortSignal;
  /** Called with each event of the task, from its first on. */
  onEvent?: (event: FeedEvent) => void;
  /** Answers a question of the agent. Without it, questions are left to others, such as the console. */
  onQuestion?: (question: Question) => unknown;
}

export interface RunOptions extends SubmitOptions, WaitOptions {
  /** What an abort does to the task. Default: true, it is cancelled. */
  cancelOnAbort?: boolean;
}

/** A completed task with its result, which is parsed JSON. */
export interface CompletedTask<Result> {
  id: string;
  result: Result;
  /** Credits paid, host calls included. */
  cost: number;
  task: Task;
}

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

export class Tasks {
  constructor(private readonly client: Api) {}

  /**
   * Submits a task, waits for its end and reads its result.
   * @throws TaskError when it fails or is cancelled; ApiError, such as `INSUFFICIENT_CREDITS`, when it is refused
   */
  async run<Result = unknown>(task: NewTask, options: RunOptions = {}): Promise<CompletedTask<Result>> {
    const { id } = await this.submit(task, options);
    try {
      const ended = await this.wait(id, options);
      return { id, result: (await this.resultOf(ended, options.signal)) as Result, cost: ended.cost ?? 0, task: ended };
    } catch (error) {
      if (options.signal?.aborted && options.cancelOnAbort !== false) {
        await this.cancel(id).catch((refusal: unknown) => {
          if (!hasCode(refusal, 'ALREADY_ENDED')) throw refusal;
        });
      }
      throw error;
    }
  }

  /** @returns the task as it is stored. @throws ApiError */
  async submit(task: NewTask, options: SubmitOptions = {}): Promise<Task> {
    const { idempotencyKey = crypto.randomUUID(), inputText, signal } = options;
    if (inputText === undefined) return this.client.request('POST', '/tasks', { body: task, idempotencyKey, signal });
    const { input: _, ...others } = task;
    const response = await this.client.transport.send({
      ...{ method: 'POST', path: '/tasks', signal, isRepeatable: true },
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: () => `${JSON.stringify(others).slice(0, -1)},"input":${inputText}}`,
    });
    return (await response.json()) as Task;
  }

  /** @returns the task after its end, whatever that is. @throws ApiError */
  async wait(id: string, { signal, onEvent, onQuestion }: WaitOptions = {}): Promise<Task> {
    for await (const event of this.events(id, { signal })) {
      onEvent?.(event);
      if (event.type === 'task.input_required' && onQuestion) await this.answerIfOpen(id, onQuestion, signal);
      if (ENDED.has(event.type.slice('task.'.length))) break;
    }
    return this.get(id, signal);
  }

  /** @throws ApiError */
  get(id: string, signal?: AbortSignal): Promise<Task> {
    return this.client.request('GET', '/tasks/{id}', { path: { id }, signal });
  }

  /** Yields the task's events in order, and ends with the task. */
  events(id: string, { afterSeq = 0, ...options }: FollowOptions = {}): AsyncGenerator<FeedEvent, void, undefined> {
    return follow(this.client.transport, `/tasks/${encodeURIComponent(id)}/events`, { afterSeq, ...options });
  }

  /** @returns the result, parsed. @throws TaskError unless the task is completed; ApiError */
  async result<Result = unknown>(id: string, signal?: AbortSignal): Promise<Result> {
    return (await this.resultOf(await this.get(id, signal), signal)) as Result;
  }

  /** @throws ApiError, `ALREADY_ENDED` for a task that has ended */
  cancel(id: string): Promise<Task> {
    return this.client.request('POST', '/tasks/{id}/cancel', { path: { id } });
  }

  /** Answers the open question of a task. @throws ApiError */
  answer(id: string, questionId: string, answer: unknown): Promise<Task> {
    const body = { question_id: questionId, answer: answer as Schemas['AnswerQuestionDto']['answer'] };
    return this.client.request('POST', '/tasks/{id}/input', { path: { id }, body });
  }

  /** Rates a completed task, from 1 to 5. @throws ApiError */
  rate(id: string, rating: number): Promise<Task> {
    return this.client.request('POST', '/tasks/{id}/rating', { path: { id }, body: { rating } });
  }

  /** Brings an input that is too large for a task: name its `input_ref` there. @throws ApiError */
  uploadInput(json: Blob | string, options: UploadOptions = {}): Promise<Schemas['BroughtInputDto']> {
    const body = typeof json === 'string' ? new Blob([json]) : json;
    const request = {
      method: 'POST',
      path: '/tasks/inputs',
      body,
      contentType: 'application/json',
      isRepeatable: true,
    };
    return upload(this.client.transport, request, options);
  }

  private async answerIfOpen(id: string, ask: (question: Question) => unknown, signal?: AbortSignal): Promise<void> {
    const { question } = await this.get(id, signal);
    if (!question) return; // an old event: it is answered
    try {
      await this.answer(id, question.id, await ask(question));
    } catch (error) {
      // Somebody else answered, or the agent no longer waits.
      if (!hasCode(error, 'ALREADY_ANSWERED', 'QUESTION_CLOSED')) throw error;
    }
  }

  private async resultOf(task: Task, signal?: AbortSignal): Promise<unknown> {
    if (task.status !== 'completed') throw new TaskError(task);
    if (!task.result_ref) return task.result;
    const path = `/tasks/${task.id}/result`;
    return (await this.client.transport.send({ ...jsonRequest('GET', path, undefined), signal })).json();
  }
}
