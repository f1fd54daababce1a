interface Message {
  role: string;
  content: string;
}

/** Bytes that count as one token here. */
const TOKEN_BYTES = 4;
/** Deepest level of a schema that gets a sample. */
const MAX_DEPTH = 16;

/**
 * An answer of `llm.chat` without a model, the same each time: it repeats the last message and says so. With a schema it
 * is the simplest document that fits.
 */
export function echoed(model: string, messages: readonly Message[], schema?: object): object {
  const content = schema ? JSON.stringify(sampleOf(schema)) : `[echo, not a model] ${messages.at(-1)?.content ?? ''}`;
  const input = messages.map((message) => message.content).join('');
  return { content, model, usage: { input_tokens: tokens(input), output_tokens: tokens(content) } };
}

const tokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / TOKEN_BYTES);

/** A value that fits the usual words of a JSON Schema. */
function sampleOf(schema: unknown, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) return null;
  const { type, properties, items, enum: values, const: only, minimum, minItems } = schema as Schema;
  if (only !== undefined) return only;
  if (Array.isArray(values) && values.length > 0) return values[0] as unknown;
  switch (Array.isArray(type) ? (type[0] as unknown) : type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(properties ?? {}).map(([name, one]) => [name, sampleOf(one, depth + 1)]),
      );
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

type Schema = Partial<Record<'type' | 'items' | 'enum' | 'const' | 'minimum' | 'minItems', unknown>> & {
  properties?: object;
};
