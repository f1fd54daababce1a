import type { ChatRequest } from './model-provider.js';
import type { Usage } from './offered-model.js';

/** Bytes that count as one token here. */
export const TOKEN_BYTES = 4;
/** Deepest level of a schema that gets a sample. */
const MAX_DEPTH = 16;

/**
 * The answer to a chat without a model, the same each time: it repeats the last message and says so. With a schema it is the
 * simplest document that matches.
 */
export function echoOf(messages: ChatRequest['messages'], schema?: object): string {
  return schema ? JSON.stringify(sampleOf(schema)) : `[echo, not a model] ${messages.at(-1)?.content ?? ''}`;
}

export const usageOf = (input: string, output: string): Usage => ({
  inputTokens: tokens(input),
  outputTokens: tokens(output),
});
const tokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / TOKEN_BYTES);

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
