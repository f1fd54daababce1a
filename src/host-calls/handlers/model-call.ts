import type { ModelKind, OfferedModel } from '../../config/index.js';
import type { Models, PreparedModelCall } from '../../models/index.js';
import { type CallContext, HostCallError, type PreparedCall } from '../host-call.js';

/** @throws HostCallError when the version has no permission for the model, or none of that kind is offered */
export function permittedModel(
  models: Models,
  name: string,
  kind: ModelKind,
  { permissions }: CallContext,
): OfferedModel {
  if (!permissions.llm?.models.includes(name)) {
    const message = `The version has no permission for the model "${name.slice(0, 64)}". Name it in permissions.llm.models.`;
    throw new HostCallError('MODEL_NOT_ALLOWED', message);
  }
  const model = models.find(name, kind);
  if (model) return model;
  throw new HostCallError(
    'MODEL_NOT_FOUND',
    `This market offers no model ${name} for llm.${kind}. GET /models lists them.`,
  );
}

/** @param show the result as members of the answer */
export const carryOutModelCall = <Result>(
  name: string,
  call: PreparedModelCall<Result>,
  { idempotencyKey, signal }: CallContext,
  show: (result: Result) => object,
): PreparedCall => ({
  target: name,
  maxCostMicro: call.maxCostMicro,
  carryOut: async () => {
    const outcome = await call.send({ idempotencyKey, signal });
    if (outcome.end === 'failed') throw new HostCallError(outcome.code, outcome.message, outcome.costMicro);
    const { result, usage, costMicro } = outcome;
    const { inputTokens: input_tokens, outputTokens: output_tokens } = usage;
    return { answer: { ...show(result), model: name, usage: { input_tokens, output_tokens } }, costMicro };
  },
});
