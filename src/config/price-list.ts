import { z } from 'zod';
import { isDecimalAmount, parseAmount } from '../common/money.js';
import { MODEL_NAME } from '../common/permissions.dto.js';

/** What a model is for. */
export const MODEL_KINDS = ['chat', 'embed'] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** A model as the operator offers it. */
export interface OfferedModel {
  /** What agents call it. */
  name: string;
  kind: ModelKind;
  /** What the endpoint calls it. */
  upstream: string;
  /** Micro-credits per million tokens, as the next. */
  inputPriceMicro: bigint;
  outputPriceMicro: bigint;
  /** Most tokens of one answer, and the default; 0 for `embed`. */
  maxTokens: number;
  /** The member of a request that limits its answer; newer models of some endpoints take only the second. */
  maxTokensField: 'max_tokens' | 'max_completion_tokens';
}

const price = z
  .union([z.string(), z.number()])
  .refine(isDecimalAmount, 'must be credits per million tokens with at most six decimals')
  .transform(parseAmount);

const entry = z.strictObject({
  model: z.string().min(1).max(200),
  kind: z.enum(MODEL_KINDS).default('chat'),
  input_price: price,
  output_price: price.default(0n),
  max_tokens: z.int().min(1).max(1_000_000).default(4096),
  max_tokens_field: z.enum(['max_tokens', 'max_completion_tokens']).default('max_tokens'),
});

const models = z.record(z.string().regex(MODEL_NAME, 'is not a name such as small'), entry);

/** `{"small":{"model":"…","input_price":"0.15","output_price":"0.6"}}` as a list, in its order. */
export const priceList = () =>
  z.string().transform((text, context): OfferedModel[] => {
    const parsed = models.safeParse(parseJson(text));
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      context.addIssue({ code: 'custom', message: `${path.join('.') || 'the text'}: ${message}` });
      return z.NEVER;
    }
    return Object.entries(parsed.data).map(([name, one]) => ({
      name,
      kind: one.kind,
      upstream: one.model,
      inputPriceMicro: one.input_price,
      outputPriceMicro: one.output_price,
      maxTokens: one.kind === 'chat' ? one.max_tokens : 0,
      maxTokensField: one.max_tokens_field,
    }));
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
