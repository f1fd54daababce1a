import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { MAX_INPUT_DEPTH } from '../../common/json-scanner.js';
import { jsonDepth } from '../../common/json-text.js';
import { RawJson } from '../../common/raw-json.js';
import { HostCallConfig } from '../../config/index.js';
import { Schema, SchemaFault } from '../../contracts/index.js';
import { type NewQuestion, TaskQuestions } from '../../tasks/index.js';
import { Answers } from '../answers.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { parseRequest } from './parse-request.js';

const MAX_QUESTION_LENGTH = 4000;

const request = z.strictObject({
  question: z
    .string()
    .min(1)
    .max(MAX_QUESTION_LENGTH)
    .refine((text) => text.isWellFormed() && !text.includes('\0'), 'must be well-formed text without U+0000'),
  schema: z.record(z.string(), z.unknown()).optional(),
  timeout_ms: z.int().min(1).optional(),
});

/** A question as an agent asks it. */
export interface AgentQuestion {
  question: string;
  /** JSON Schema of the answer; null: any JSON fits. */
  schema: object | null;
  /** How long the agent waits at most, ms; undefined: as long as the server lets it. */
  timeoutMs?: number;
}

/** @throws HostCallError `INVALID_REQUEST` */
export function parseQuestion(document: unknown): AgentQuestion {
  const { question, schema = null, timeout_ms: timeoutMs } = parseRequest(request, document);
  try {
    if (schema) Schema.read(schema);
  } catch (error) {
    if (error instanceof SchemaFault) throw new HostCallError('INVALID_REQUEST', `schema: ${error.message}`);
    throw error;
  }
  const text = JSON.stringify(schema);
  if (jsonDepth(text) > MAX_INPUT_DEPTH) {
    throw new HostCallError('INVALID_REQUEST', `schema: must not nest deeper than ${MAX_INPUT_DEPTH} levels`);
  }
  // PostgreSQL's json type takes it, and every later read by a client would fail.
  if (text.includes(String.raw`\u0000`)) {
    throw new HostCallError('INVALID_REQUEST', 'schema: must not contain U+0000');
  }
  return { question, schema, timeoutMs };
}

/**
 * `input.ask`: a question to the submitter. The task waits as `input_required`, without a sandbox slot, until the submitter
 * answers or the time of the question is over.
 */
@Injectable()
export class InputAsk implements HostCallHandler {
  constructor(
    @Inject(TaskQuestions) private readonly questions: Pick<TaskQuestions, 'ask' | 'close'>,
    @Inject(Answers) private readonly answers: Pick<Answers, 'wait'>,
    private readonly config: HostCallConfig,
  ) {}

  prepare(document: unknown, context: CallContext): PreparedCall {
    const { question, schema, timeoutMs = Infinity } = parseQuestion(document);
    const { perAttempt, maxWaitMs } = this.config.questions;
    if (context.asked.count >= perAttempt) {
      throw new HostCallError('TOO_MANY_QUESTIONS', `One attempt may ask ${perAttempt} questions, and this one has.`);
    }
    const { taskId, attempt, agentId, asked } = context;
    const place = asked.count++;
    asked.bytes += Buffer.byteLength(JSON.stringify([question, schema]));
    const waitMs = Math.min(timeoutMs, maxWaitMs);
    const asking = { taskId, attempt, agentId, place, question, schema, waitMs };
    return {
      target: null,
      maxCostMicro: 0n,
      carryOut: async () => ({ answer: { answer: new RawJson(await this.ask(asking, context)) }, costMicro: 0n }),
    };
  }

  /** @returns the answer as JSON text */
  private async ask(asking: NewQuestion, context: CallContext): Promise<string> {
    const asked = await this.questions.ask(asking);
    if (!asked) throw new HostCallError('CALL_ENDED', 'The attempt ended.');
    const wait = async (): Promise<string | null> =>
      context.parking.whileAsking(asked, () => this.answers.wait(asking.taskId, asked, context.signal));
    const answer = asked.isOpen
      ? await wait().catch(async (error: Error) => {
          // A question that nobody waits for must not be shown. One whose attempt ended may be asked again by the next.
          if (error instanceof HostCallError && error.code === TOO_MANY_PARKED) await this.questions.close(asked.id);
          throw error;
        })
      : (asked.answer ?? (await this.questions.close(asked.id)));
    if (answer === null) throw new HostCallError('INPUT_TIMED_OUT', 'The submitter did not answer in time.');
    return answer;
  }
}

/** Code of a call that would have to wait, while as many agents wait as may. */
export const TOO_MANY_PARKED = 'TOO_MANY_PARKED';
