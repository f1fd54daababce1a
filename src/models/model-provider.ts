import type { OfferedModel } from '../config/index.js';
import type { Usage } from './offered-model.js';

/** Injection token of the port. */
export const MODEL_PROVIDER = Symbol('ModelProvider');

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRequest {
  messages: ChatMessage[];
  maxTokens: number;
  /** From 0 to 2. */
  temperature?: number;
  /** JSON Schema that the answer should match. */
  responseSchema?: object;
}

/** What stays the same for each repetition of a call, and what ends it. */
export interface CallOptions {
  idempotencyKey: string;
  signal: AbortSignal;
}

/** Where models run. */
export interface ModelProvider {
  /** The text of a request as it is sent, to bound its tokens by. */
  chatBody(model: OfferedModel, request: ChatRequest): object;
  embedBody(model: OfferedModel, input: readonly string[]): object;
  /** @param body as of `chatBody` */
  chat(model: OfferedModel, body: object, options: CallOptions): Promise<ModelOutcome<string>>;
  /** @param body as of `embedBody` @param count vectors to get */
  embed(model: OfferedModel, body: object, count: number, options: CallOptions): Promise<ModelOutcome<number[][]>>;
}

export type ModelOutcome<Result> =
  /** Without usage: the endpoint did not report it. */
  | { end: 'answered'; result: Result; usage?: Usage }
  /** `isBilled`: the endpoint worked, or may have worked. `message` is for the agent and holds no text of the endpoint. */
  | { end: 'failed'; code: ModelFailureCode; message: string; isBilled: boolean };

export type ModelFailureCode =
  | 'MODEL_REQUEST_REFUSED'
  | 'MODEL_BUSY'
  | 'MODEL_UNAVAILABLE'
  | 'MODEL_TIMEOUT'
  | 'MODEL_ANSWER_UNUSABLE'
  | 'CALL_ENDED';
