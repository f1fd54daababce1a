import { z } from 'zod';
import type { Models } from '../../models/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { carryOutModelCall, permittedModel } from './model-call.js';
import { parseRequest } from './parse-request.js';

/** Most bytes of all texts of a request together. */
const MAX_BYTES = 1024 * 1024;

const request = z.strictObject({ model: z.string(), input: z.array(z.string().min(1)).min(1).max(256) });

/** `llm.embed`: a vector for each text, at the operator's price for the tokens of the texts. */
export class LlmEmbed implements HostCallHandler {
  constructor(private readonly models: Models) {}

  prepare(given: unknown, context: CallContext): PreparedCall {
    const { model: name, input } = parseRequest(request, given);
    const model = permittedModel(this.models, name, 'embed', context);
    const bytes = Buffer.byteLength(JSON.stringify(input));
    if (bytes > MAX_BYTES) {
      throw new HostCallError('REQUEST_TOO_LARGE', `The input has ${bytes} bytes as JSON (limit ${MAX_BYTES}).`);
    }
    return carryOutModelCall(name, this.models.prepareEmbed(model, input), context, (embeddings) => ({ embeddings }));
  }
}
