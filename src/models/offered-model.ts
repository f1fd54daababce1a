import type { OfferedModel } from '../config/index.js';

/** Offered where no endpoint is configured, so that agents can be tried out. They are no models, and free. */
export const SIMULATED_MODELS: readonly OfferedModel[] = [
  simulated('echo', 'chat', 1024),
  simulated('echo-embed', 'embed', 0),
];

function simulated(name: string, kind: OfferedModel['kind'], maxTokens: number): OfferedModel {
  const free = { inputPriceMicro: 0n, outputPriceMicro: 0n };
  return { name, kind, upstream: name, ...free, maxTokens, maxTokensField: 'max_tokens' };
}

export interface Usage {
  inputTokens: number;
  outputTokens: number;
}

/** Micro-credits for tokens, rounded up. */
export function costOf({ inputPriceMicro, outputPriceMicro }: OfferedModel, usage: Usage): bigint {
  const total = BigInt(usage.inputTokens) * inputPriceMicro + BigInt(usage.outputTokens) * outputPriceMicro;
  return (total + PER_TOKENS - 1n) / PER_TOKENS;
}

const PER_TOKENS = 1_000_000n;

/** Tokens that an endpoint may add around the messages of a request. */
const FRAME_TOKENS = 256;

/** Most tokens that a request can count. A token stands for one byte at least, and the request holds every byte. */
export const mostInputTokens = (request: object): number => Buffer.byteLength(JSON.stringify(request)) + FRAME_TOKENS;
