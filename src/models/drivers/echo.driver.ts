import { createHash } from 'node:crypto';
import type { OfferedModel } from '../../config/index.js';
import type { ChatRequest, ModelOutcome, ModelProvider } from '../model-provider.js';
import type { Usage } from '../offered-model.js';

/** Numbers of a vector. */
const DIMENSIONS = 16;
/** Bytes that count as one token here. */
const TOKEN_BYTES = 4;
/** Deepest level of a schema that gets a sample. */
const MAX_DEPTH = 16;

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
    const asked = messages.at(-1)?.content ?? '';
    const text = response_schema ? JSON.stringify(sampleOf(response_schema)) : `[echo, not a model] ${asked}`;
    const result = firstBytes(text, max_tokens * TOKEN_BYTES);
    return { end: 'answered', result, usage: usageOf(messages.map(({ content }) => content).join(''), result) };
  }

  async embed(_model: OfferedModel, body: object): Promise<ModelOutcome<number[][]>> {
    const { input } = body as { input: string[] };
    return { end: 'answered', result: input.map(vectorOf), usage: usageOf(input.join(''), '') };
  }
}

const usageOf = (input: string, output: string): Usage => ({
  inputTokens: tokens(input),
  outputTokens: tokens(output),
});
const tokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / TOKEN_BYTES);

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

/** A value that matches the usual words of a JSON Schema. */
function sampleOf(schema: unknown, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) return null;
  const { type, properties = {}, items, enum: values, const: only, minimum, minItems, anyOf, oneOf } = schema as Schema;
  if (only !== undefined) return only;
  if (Array.isArray(values) && values.length > 0) return values[0];
  const [choice] = [anyOf, oneOf].flatMap((choices) => (Array.isArray(choices) ? choices : []));
  if (choice !== undefined) return sampleOf(choice, depth + 1);
  switch (Array.isArray(type) ? type[0] : type) {
    case 'object':
      return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, sampleOf(one, depth + 1)]));
    case 'array':
      return Array.from({ length: Math.min(Number(minItems) || 0, MAX_DEPTH) }, () => sampleOf(items, depth + 1));
    case 'string':
      return 'echo';
    case 'number':
    case 'integer':
      return typeof minimum === 'number' ? minimum : 0;
    case 'boolean':
      return false;
    default:
      return null;
  }
}

type Schema = Partial<
  Record<'type' | 'items' | 'enum' | 'const' | 'minimum' | 'minItems' | 'anyOf' | 'oneOf', unknown>
> & {
  properties?: object;
};
