import { amountToWire } from '../common/money.js';
import type { ModelKind, OfferedModel } from '../config/index.js';

/** A model that agents can call, with the operator's prices. */
export class ModelDto {
  /**
   * What permissions and calls name it.
   * @example "small"
   */
  name: string;

  /**
   * `chat`: for `llm.chat`; `embed`: for `llm.embed`.
   * @example "chat"
   */
  kind: ModelKind;

  /**
   * Credits for a million tokens of requests.
   * @example 0.15
   */
  input_price: number;

  /**
   * Credits for a million tokens of answers.
   * @example 0.6
   */
  output_price: number;

  /**
   * Most tokens of one answer; null for `embed`.
   * @example 4096
   */
  max_tokens: number | null;

  /**
   * True: not a model. The server makes up answers, so that agents can be tried out.
   * @example false
   */
  simulated: boolean;
}

/** Every model that the operator offers. */
export class ModelsDto {
  items: ModelDto[];
}

export const presentModel = (model: OfferedModel, simulated: boolean): ModelDto => ({
  name: model.name,
  kind: model.kind,
  input_price: amountToWire(model.inputPriceMicro),
  output_price: amountToWire(model.outputPriceMicro),
  max_tokens: model.kind === 'chat' ? model.maxTokens : null,
  simulated,
});
