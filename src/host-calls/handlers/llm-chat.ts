import { z } from 'zod';
import type { Models } from '../../models/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { carryOutModelCall, permittedModel } from './model-call.js';
import { parseRequest } from './parse-request.js';

/** Most bytes of the messages and the schema of a request together. */
const MAX_BYTES = 1024 * 1024;

const request = z.strictObject({
  model: z.string(),
  messages: z
    .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))
    .min(1)
    .max(256),
  max_tokens: z.int().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
  response_schema: z.record(z.string(), z.unknown()).optional(),
});

/** `llm.chat`: an answer of a model to messages, at the operator's price for the tokens it used. */
export class LlmChat implements HostCallHandler {
  constructor(private readonly models: Models) {}

  prepare(given: unknown, context: CallContext): PreparedCall {
    const { model: name, messages, max_tokens, temperature, response_schema } = parseRequest(request, given);
    const model = permittedModel(this.models, name, 'chat', context);
    const bytes = Buffer.byteLength(JSON.stringify([messages, response_schema]));
    if (bytes > MAX_BYTES) {
      throw new HostCallError('REQUEST_TOO_LARGE', `The messages have ${bytes} bytes as JSON (limit ${MAX_BYTES}).`);
    }
    if (max_tokens !== undefined && max_tokens > model.maxTokens) {
      throw new HostCallError('INVALID_REQUEST', `max_tokens: must be at most ${model.maxTokens} for ${name}`);
    }
    const maxTokens = max_tokens ?? model.maxTokens;
    const call = this.models.prepareChat(model, { messages, maxTokens, temperature, responseSchema: response_schema });
    return carryOutModelCall(name, call, context, (content) => ({ content }));
  }
}
