import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { z } from 'zod';
import { pauseBefore } from '../../common/backoff.js';
import type { OfferedModel } from '../../config/index.js';
import { outageLog } from '../../observability/index.js';
import type { CallOptions, ChatRequest, ModelOutcome, ModelProvider } from '../model-provider.js';

/** How often a request is sent at the most. */
const MAX_SENDS = 4;
/** Longest pause that an endpoint may ask for, ms. */
const MAX_PAUSE_MS = 30_000;
/** Largest answer, bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const usage = z.object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0).default(0) });
const chatAnswer = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).min(1),
  usage: usage.optional(),
});
const embedAnswer = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()) })),
  usage: usage.optional(),
});

export interface EndpointConfig {
  /** With the version, such as `https://api.openai.com/v1`. */
  baseUrl: string;
  apiKey?: string;
  /** Time for one call, repetitions included, ms. */
  timeoutMs: number;
}

/**
 * An endpoint that speaks OpenAI's HTTP interface. Its texts go neither to agents nor to the log: they may repeat the key
 * or a prompt.
 */
export class OpenAiProvider implements ModelProvider {
  private readonly logOutage = outageLog(new Logger('Models'), 'The endpoint of models (LLM_BASE_URL) fails');
  private readonly baseUrl: string;

  constructor(private readonly config: EndpointConfig) {
    this.baseUrl = config.baseUrl.replace(/\/+$/, '');
  }

  chatBody(model: OfferedModel, { messages, maxTokens, temperature, responseSchema }: ChatRequest): object {
    const json_schema = { name: 'answer', schema: responseSchema };
    return {
      model: model.upstream,
      messages,
      [model.maxTokensField]: maxTokens,
      ...(temperature !== undefined && { temperature }),
      ...(responseSchema && { response_format: { type: 'json_schema', json_schema } }),
    };
  }

  embedBody(model: OfferedModel, input: readonly string[]): object {
    return { model: model.upstream, input, encoding_format: 'float' };
  }

  chat(_model: OfferedModel, body: object, options: CallOptions): Promise<ModelOutcome<string>> {
    return this.call('/chat/completions', body, options, (answer) => {
      const { choices, usage: used } = chatAnswer.parse(answer);
      return { result: choices[0].message.content, used };
    });
  }

  embed(_model: OfferedModel, body: object, count: number, options: CallOptions): Promise<ModelOutcome<number[][]>> {
    return this.call('/embeddings', body, options, (answer) => {
      const { data, usage: used } = embedAnswer.parse(answer);
      const result = data.sort((a, b) => a.index - b.index).map(({ embedding }) => embedding);
      if (result.length !== count) throw new Error('another number of vectors');
      return { result, used };
    });
  }

  private async call<Result>(
    path: string,
    body: object,
    { idempotencyKey, signal }: CallOptions,
    read: (answer: unknown) => { result: Result; used?: z.infer<typeof usage> },
  ): Promise<ModelOutcome<Result>> {
    const late = AbortSignal.timeout(this.config.timeoutMs);
    const either = new AbortController();
    const end = (): void => either.abort();
    for (const one of [late, signal]) one.addEventListener('abort', end);
    if (signal.aborted) end();
    let isSent = false;
    try {
      for (let n = 1; ; n++) {
        const response = await this.send(path, body, idempotencyKey, either.signal, () => (isSent = true));
        if (response instanceof Response && response.ok) return understood(await textOf(response), read);
        if (response instanceof Response) await response.body?.cancel();
        const failure = this.explain(response);
        if (!failure.isTemporary || n === MAX_SENDS) return failure.outcome;
        // An endpoint that refused has not worked.
        isSent = false;
        const asked = response instanceof Response ? retryAfterMs(response.headers.get('retry-after')) : undefined;
        await pause(Math.min(Math.max(asked ?? 0, pauseBefore(n)), MAX_PAUSE_MS), undefined, { signal: either.signal });
      }
    } catch (error) {
      if (signal.aborted) return failed('CALL_ENDED', 'The attempt has ended.', isSent);
      if (late.aborted) return failed('MODEL_TIMEOUT', `The model gave no answer within ${this.config.timeoutMs} ms.`);
      this.logOutage(new Error(causeOf(error)));
      return failed('MODEL_UNAVAILABLE', UNAVAILABLE);
    } finally {
      for (const one of [late, signal]) one.removeEventListener('abort', end);
    }
  }

  /** @returns the error when no connection could be made @throws when it was aborted */
  private async send(
    path: string,
    body: object,
    key: string,
    signal: AbortSignal,
    sent: () => void,
  ): Promise<Response | Error> {
    try {
      signal.throwIfAborted();
      sent();
      return await fetch(`${this.baseUrl}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': key,
          ...(this.config.apiKey && { authorization: `Bearer ${this.config.apiKey}` }),
        },
        body: JSON.stringify(body),
        redirect: 'manual',
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      return error as Error;
    }
  }

  /** What an answer without success means for the agent. Its cause is logged for the operator, as a status alone. */
  private explain(response: Response | Error): { isTemporary: boolean; outcome: ModelOutcome<never> } {
    if (!(response instanceof Response)) {
      this.logOutage(new Error(causeOf(response)));
      return { isTemporary: true, outcome: failed('MODEL_UNAVAILABLE', UNAVAILABLE) };
    }
    const { status } = response;
    if (status === 400 || status === 413 || status === 422) {
      const message = 'The model refused the request. Check messages, max_tokens and response_schema.';
      return { isTemporary: false, outcome: failed('MODEL_REQUEST_REFUSED', message) };
    }
    const isThrottled = status === 429;
    const advice = status === 401 || status === 403 ? ': check LLM_API_KEY' : '';
    this.logOutage(new Error(`it answered ${status}${advice}`));
    return {
      isTemporary: isThrottled || status >= 500,
      outcome: isThrottled
        ? failed('MODEL_BUSY', 'The model is busy. Try again in a minute.')
        : failed('MODEL_UNAVAILABLE', UNAVAILABLE),
    };
  }
}

const UNAVAILABLE = 'The model is not available now. Try again later.';

const failed = (
  code: Extract<ModelOutcome<never>, { end: 'failed' }>['code'],
  message: string,
  isBilled = false,
): ModelOutcome<never> => ({ end: 'failed', code, message, isBilled });

function understood<Result>(
  text: string | undefined,
  read: (answer: unknown) => { result: Result; used?: z.infer<typeof usage> },
): ModelOutcome<Result> {
  try {
    const { result, used } = read(JSON.parse(text ?? ''));
    if (!used) return { end: 'answered', result };
    return {
      end: 'answered',
      result,
      usage: { inputTokens: used.prompt_tokens, outputTokens: used.completion_tokens },
    };
  } catch {
    return failed('MODEL_ANSWER_UNUSABLE', 'The model gave an answer that cannot be used. Change the request.', true);
  }
}

/** @returns undefined when the answer is too long */
async function textOf(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** @param header seconds, or a date @returns ms */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

/** The code of a failed connection: its text may name the key's address. */
function causeOf(error: unknown): string {
  const { cause, name } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? name;
}
