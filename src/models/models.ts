import { Inject, Injectable } from '@nestjs/common';
import { ModelConfig, type ModelKind, type OfferedModel } from '../config/index.js';
import {
  type CallOptions,
  type ChatRequest,
  MODEL_PROVIDER,
  type ModelOutcome,
  type ModelProvider,
} from './model-provider.js';
import { costOf, mostInputTokens, SIMULATED_MODELS, type Usage } from './offered-model.js';

/** A call of a model that is ready to be sent. */
export interface PreparedModelCall<Result> {
  /** The most it can cost, micro-credits. */
  maxCostMicro: bigint;
  send(options: CallOptions): Promise<ModelCallOutcome<Result>>;
}

/** What a call came to, and what it cost, micro-credits; never more than was announced. */
export type ModelCallOutcome<Result> =
  | { end: 'answered'; result: Result; usage: Usage; costMicro: bigint }
  | { end: 'failed'; code: string; message: string; costMicro: bigint };

/** The models that the operator offers, at the operator's prices. */
@Injectable()
export class Models {
  /** Whether there is no endpoint: this server makes up answers. */
  readonly areSimulated: boolean;
  private readonly byName: ReadonlyMap<string, OfferedModel>;

  constructor(
    config: ModelConfig,
    @Inject(MODEL_PROVIDER) private readonly provider: ModelProvider,
  ) {
    this.areSimulated = config.endpoint === undefined;
    const models = this.areSimulated ? SIMULATED_MODELS : config.models;
    this.byName = new Map(models.map((model) => [model.name, model]));
  }

  /** In the operator's order. */
  list(): OfferedModel[] {
    return [...this.byName.values()];
  }

  /** @returns undefined when none of that kind has this name */
  find(name: string, kind: ModelKind): OfferedModel | undefined {
    const model = this.byName.get(name);
    return model?.kind === kind ? model : undefined;
  }

  prepareChat(model: OfferedModel, request: ChatRequest): PreparedModelCall<string> {
    const body = this.provider.chatBody(model, request);
    const most = { inputTokens: mostInputTokens(body), outputTokens: request.maxTokens };
    return priced(model, most, (options) => this.provider.chat(model, body, options));
  }

  prepareEmbed(model: OfferedModel, input: readonly string[]): PreparedModelCall<number[][]> {
    const body = this.provider.embedBody(model, input);
    // Endpoints frame each input for itself.
    const most = { inputTokens: mostInputTokens(body) + input.length * FRAME_TOKENS, outputTokens: 0 };
    return priced(model, most, (options) => this.provider.embed(model, body, input.length, options));
  }
}

/** Tokens that an endpoint may add around each input of an embedding. */
const FRAME_TOKENS = 4;

/** A call that reports no usage costs the most that it could use. */
function priced<Result>(
  model: OfferedModel,
  most: Usage,
  send: (options: CallOptions) => Promise<ModelOutcome<Result>>,
): PreparedModelCall<Result> {
  const maxCostMicro = costOf(model, most);
  return {
    maxCostMicro,
    send: async (options) => {
      const outcome = await send(options);
      if (outcome.end === 'failed') {
        const { end, code, message, isBilled } = outcome;
        return { end, code, message, costMicro: isBilled ? maxCostMicro : 0n };
      }
      const { end, result, usage = most } = outcome;
      const cost = costOf(model, usage);
      return { end, result, usage, costMicro: cost < maxCostMicro ? cost : maxCostMicro };
    },
  };
}
