import { Injectable } from '@nestjs/common';
import { HostCallConfig } from '../config/index.js';
import { Sql } from '../database/index.js';

/**
 * The state that agents keep between tasks: per agent, keys with a JSON value each. It stays when the agent's version
 * changes. Each write gives its key a new revision; 0 is the revision of a key that does not exist.
 */
@Injectable()
export class AgentState {
  constructor(
    private readonly sql: Sql,
    private readonly config: HostCallConfig,
  ) {}

  /** @returns JSON text; null when there is no such key, or its time is over */
  async get(agentId: string, key: string): Promise<StateEntry | null> {
    const [row] = await this.sql.query<StateRow>('state-get', GET, [agentId, key]);
    return row ? toEntry(row) : null;
  }

  /**
   * @param value JSON text
   * @param expected the revision that the key must have; undefined: any
   * @param ttlMs after which the key is gone; undefined: never
   */
  async put(agentId: string, key: string, value: string, expected?: number, ttlMs?: number): Promise<PutOutcome> {
    const { entries, bytes } = this.config.state;
    const values = [agentId, key, value, expected ?? null, ttlMs ?? null, entries, bytes];
    const [{ outcome, current }] = await this.sql.query<{ outcome: PutOutcome['outcome']; current: string }>(
      'state-put',
      PUT,
      values,
    );
    return { outcome, revision: Number(current) };
  }

  /** @returns whether there was such a key */
  async delete(agentId: string, key: string): Promise<boolean> {
    const [{ deleted }] = await this.sql.query<{ deleted: boolean }>('state-delete', DELETE, [agentId, key]);
    return deleted;
  }

  /** Keys in the order of their bytes. @param after only those behind this key */
  async list(agentId: string, prefix: string, after: string, limit: number): Promise<StateKey[]> {
    const rows = await this.sql.query<KeyRow>('state-list', LIST, [agentId, prefix, after, limit]);
    return rows.map(toKey);
  }

  async usage(agentId: string): Promise<{ entries: number; bytes: number }> {
    const [row] = await this.sql.query<{ entries: number; bytes: string }>('state-usage', USAGE, [agentId]);
    return { entries: row?.entries ?? 0, bytes: Number(row?.bytes ?? 0) };
  }

  /** Deletes what has expired of up to `limit` agents, and the state of agents that were retired. @returns how many entries */
  async deleteOld(limit: number): Promise<number> {
    const [{ count }] = await this.sql.query<{ count: number }>('state-expire', EXPIRE, [limit]);
    return count;
  }
}

export interface StateKey {
  key: string;
  revision: number;
  /** Key and value. */
  bytes: number;
  updatedAt: Date;
  /** Null: never. */
  expiresAt: Date | null;
}

export interface StateEntry extends StateKey {
  /** JSON text. */
  value: string;
}

/** `revision`: of what was written; on a conflict, of what is there. `full`: the agent's quota is used up. */
export interface PutOutcome {
  outcome: 'written' | 'conflict' | 'full';
  revision: number;
}

interface KeyRow {
  key: string;
  revision: string;
  bytes: number;
  updated_at: Date;
  expires_at: Date | null;
}

interface StateRow extends KeyRow {
  value: string;
}

const toKey = (row: KeyRow): StateKey => ({
  key: row.key,
  revision: Number(row.revision),
  bytes: row.bytes,
  updatedAt: row.updated_at,
  expiresAt: row.expires_at,
});

const toEntry = (row: StateRow): StateEntry => ({ ...toKey(row), value: row.value });

const IS_ALIVE = '(expires_at IS NULL OR expires_at > now())';

const GET = `
  SELECT key, value::text AS value, revision, bytes, updated_at, expires_at
    FROM agent_state
   WHERE agent_id = $1 AND key = $2 AND ${IS_ALIVE}`;

const PUT = 'SELECT outcome, current FROM agent_state_put($1, $2, $3, $4, $5, $6, $7)';

const DELETE = 'SELECT agent_state_delete($1, $2) AS deleted';

const LIST = `
  SELECT key, revision, bytes, updated_at, expires_at
    FROM agent_state
   WHERE agent_id = $1 AND key >= $2 AND key > $3 AND starts_with(key, $2) AND ${IS_ALIVE}
   ORDER BY key
   LIMIT $4`;

const USAGE = 'SELECT entries, bytes FROM agent_state_usage WHERE agent_id = $1';

const EXPIRE = `
  WITH retired AS (
    UPDATE agent_state SET expires_at = now()
     WHERE agent_id IN (
       SELECT agent_id FROM agent_state_usage JOIN agents ON agents.id = agent_id
        WHERE entries > 0 AND agents.status = 'retired' LIMIT $1)
       AND expires_at IS NULL
  ),
  expired AS MATERIALIZED (SELECT DISTINCT agent_id FROM agent_state WHERE expires_at <= now() LIMIT $1)
  SELECT coalesce(sum(agent_state_expire(agent_id)), 0)::int AS count FROM expired`;
