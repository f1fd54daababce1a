import { createHash } from 'node:crypto';
import type { OfferedModel } from '../../config/index.js';
import { echoOf, TOKEN_BYTES, usageOf } from '../echo.js';
import type { ChatRequest, ModelOutcome, ModelProvider } from '../model-provider.js';

/** Numbers of a vector. */
const DIMENSIONS = 16;

interface EchoChat {
  messages: ChatRequest['messages'];
  max_tokens: number;
  response_schema?: object;
}

/**
 * No model: it repeats the last message, and says so. It makes agents that call models run anywhere, in the same way each
 * time.
 */
export class EchoProvider implements ModelProvider {
  chatBody(_model: OfferedModel, { messages, maxTokens, responseSchema }: ChatRequest): object {
    return { messages, max_tokens: maxTokens, ...(responseSchema && { response_schema: responseSchema }) };
  }

  embedBody(_model: OfferedModel, input: readonly string[]): object {
    return { input };
  }

  async chat(_model: OfferedModel, body: object): Promise<ModelOutcome<string>> {
    const { messages, max_tokens, response_schema } = body as EchoChat;
    const result = firstBytes(echoOf(messages, response_schema), max_tokens * TOKEN_BYTES);
    return { end: 'answered', result, usage: usageOf(messages.map(({ content }) => content).join(''), result) };
  }

  async embed(_model: OfferedModel, body: object): Promise<ModelOutcome<number[][]>> {
    const { input } = body as { input: string[] };
    return { end: 'answered', result: input.map(vectorOf), usage: usageOf(input.join(''), '') };
  }
}

/** The longest beginning of a text that has at most `most` bytes. */
function firstBytes(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  return new TextDecoder().decode(Buffer.from(text).subarray(0, most), { stream: true });
}

/** The same vector for the same text, of length 1. */
function vectorOf(text: string): number[] {
  const bytes = createHash('sha256').update(text).digest();
  const numbers = Array.from({ length: DIMENSIONS }, (_, n) => bytes.readInt16BE(n * 2));
  const length = Math.hypot(...numbers) || 1;
  return numbers.map((number) => Number((number / length).toFixed(6)));
}
