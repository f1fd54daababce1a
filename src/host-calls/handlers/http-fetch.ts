import { z } from 'zod';
import { AppError } from '../../common/app-error.js';
import { HTTP_METHODS } from '../../common/permissions.dto.js';
import {
  type Egress,
  type EgressOutcome,
  EgressRefusal,
  type EgressSecret,
  permittedTarget,
  secretNames,
} from '../../egress/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { parseRequest } from './parse-request.js';

const request = z
  .strictObject({
    method: z.string().toUpperCase().pipe(z.enum(HTTP_METHODS)).default('GET'),
    url: z.string(),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.string().optional(),
    body_base64: z.base64().optional(),
  })
  .refine(({ body, body_base64 }) => body === undefined || body_base64 === undefined, {
    path: ['body'],
    message: 'send body or body_base64, not both',
  })
  .refine(({ method, ...rest }) => !BODILESS.has(method) || (rest.body ?? rest.body_base64) === undefined, {
    path: ['body'],
    message: 'a request with GET or HEAD has no body',
  });

const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Where an agent's secrets come from. */
export interface SecretReader {
  /** @returns those of `names` that the agent has @throws AppError when one cannot be read */
  reveal(agentId: string, names: readonly string[]): Promise<EgressSecret[]>;
}

/** `http.fetch`: a request to a host that the version has permission for. It costs nothing. */
export class HttpFetch implements HostCallHandler {
  constructor(
    private readonly egress: Egress,
    private readonly secrets: SecretReader,
  ) {}

  async prepare(given: unknown, { agentId, permissions, idempotencyKey, signal }: CallContext): Promise<PreparedCall> {
    const { method, url, headers, body, body_base64 } = parseRequest(request, given);
    const { hosts = [], methods = ['GET'] } = permissions.http ?? {};
    const rules = { hosts, methods };
    const names = secretNames(headers);
    return {
      target: permitted(() => permittedTarget(url, method, rules).host),
      maxCostMicro: 0n,
      carryOut: async () => {
        // Read when they are needed, so that a change by the owner counts at once.
        const secrets = names.length > 0 ? await this.secrets.reveal(agentId, names).catch(asAnswer) : [];
        const outcome = await this.egress.fetch(
          {
            ...{ tenant: agentId, method, url, secrets },
            headers: BODILESS.has(method) ? headers : { ...headers, ...repeatable(headers, idempotencyKey) },
            body: body_base64 ?? (body === undefined ? undefined : Buffer.from(body).toString('base64')),
          },
          rules,
          signal,
        );
        return { answer: answerOf(outcome), costMicro: 0n };
      },
    };
  }
}

/** Lets an upstream recognise a request that is repeated after a crash. The agent may send a key of its own. */
const repeatable = (headers: Record<string, string>, key: string): Record<string, string> =>
  Object.keys(headers).some((name) => name.toLowerCase() === 'idempotency-key') ? {} : { 'idempotency-key': key };

function answerOf(outcome: EgressOutcome): object {
  if (outcome.end === 'refused') throw new HostCallError(outcome.code, outcome.message);
  const { status, headers, body, encoding } = outcome;
  return { status, headers, ...(encoding === 'utf8' ? { body } : { body_base64: body }) };
}

/** Errors of the domain have a text that is safe to show. */
function asAnswer(error: unknown): never {
  if (error instanceof AppError) throw new HostCallError(error.code, error.message);
  throw error;
}

function permitted<T>(judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (error instanceof EgressRefusal) throw new HostCallError(error.code, error.message);
    throw error;
  }
}
