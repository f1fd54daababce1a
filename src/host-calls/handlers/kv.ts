import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { HostCallConfig } from '../../config/index.js';
import { AgentState } from '../agent-state.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { parseRequest } from './parse-request.js';

const MAX_KEY_LENGTH = 512;
const MAX_LISTED = 1000;
const MAX_TTL_S = 10 * 365 * 24 * 3600;

const key = z
  .string()
  .min(1)
  .max(MAX_KEY_LENGTH)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must be text without control characters');

const schemas = {
  get: z.strictObject({ key }),
  put: z.strictObject({
    key,
    value: z.unknown(),
    if_revision: z.int().min(0).optional(),
    ttl_s: z.number().positive().max(MAX_TTL_S).optional(),
  }),
  delete: z.strictObject({ key }),
  list: z.strictObject({
    prefix: z.string().max(MAX_KEY_LENGTH).default(''),
    limit: z.int().min(1).max(MAX_LISTED).default(100),
    cursor: z.string().max(MAX_KEY_LENGTH).default(''),
  }),
};

/** `kv.get`, `kv.put`, `kv.delete` and `kv.list`: the agent's own state. They cost nothing. */
@Injectable()
export class KvCalls {
  readonly get: HostCallHandler;
  readonly put: HostCallHandler;
  readonly delete: HostCallHandler;
  readonly list: HostCallHandler;

  constructor(
    @Inject(AgentState) private readonly state: Pick<AgentState, 'get' | 'put' | 'delete' | 'list'>,
    private readonly config: HostCallConfig,
  ) {
    this.get = handler(schemas.get, async ({ agentId }, { key }) => {
      const entry = await state.get(agentId, key);
      return entry ? { value: JSON.parse(entry.value) as unknown, revision: entry.revision } : MISSING;
    });
    this.put = handler(schemas.put, ({ agentId }, fields) => this.write(agentId, fields));
    this.delete = handler(schemas.delete, async ({ agentId }, { key }) => {
      await state.delete(agentId, key);
      return {};
    });
    this.list = handler(schemas.list, async ({ agentId }, { prefix, limit, cursor }) => {
      const keys = await state.list(agentId, prefix, cursor, limit + 1);
      const items = keys.slice(0, limit).map(({ key, revision }) => ({ key, revision }));
      return { items, next_cursor: keys.length > limit ? items[limit - 1].key : null };
    });
  }

  private async write(
    agentId: string,
    { key, value, if_revision, ttl_s }: z.infer<typeof schemas.put>,
  ): Promise<object> {
    const { entries, bytes, valueBytes } = this.config.state;
    if (value === undefined)
      throw new HostCallError('INVALID_REQUEST', 'value: any JSON value; kv.delete deletes a key');
    const text = JSON.stringify(value);
    // PostgreSQL's json type takes it, and every later read by a client would fail.
    if (text.includes(String.raw`\u0000`)) throw new HostCallError('INVALID_REQUEST', 'value: must not contain U+0000');
    if (Buffer.byteLength(text) > valueBytes) {
      throw new HostCallError('VALUE_TOO_LARGE', `A value may have ${valueBytes} bytes of JSON.`);
    }
    const ttlMs = ttl_s === undefined ? undefined : ttl_s * 1000;
    const { outcome, revision } = await this.state.put(agentId, key, text, if_revision, ttlMs);
    if (outcome === 'conflict') {
      throw new HostCallError(
        'REVISION_CONFLICT',
        `The key has revision ${revision}, not ${if_revision}: read it again.`,
      );
    }
    if (outcome === 'full') {
      throw new HostCallError(
        'STATE_FULL',
        `The agent's state may have ${entries} entries and ${bytes} bytes: delete keys, or give them a ttl_s.`,
      );
    }
    return { revision };
  }
}

const MISSING = { value: null, revision: 0 };

function handler<Schema extends z.ZodType>(
  schema: Schema,
  answer: (context: CallContext, request: z.infer<Schema>) => Promise<object>,
): HostCallHandler {
  return {
    prepare: (request, context): PreparedCall => {
      const fields = parseRequest(schema, request);
      return {
        target: null,
        maxCostMicro: 0n,
        carryOut: async () => ({ answer: await answer(context, fields), costMicro: 0n }),
      };
    },
  };
}
