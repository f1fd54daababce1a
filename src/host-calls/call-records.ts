import { Injectable } from '@nestjs/common';
import { amountToWire } from '../common/money.js';
import { sampledTraceparent } from '../common/work-context.js';
import { MicroBatcher, Sql } from '../database/index.js';
import { EventLog, LOCK_FEED } from '../feed/index.js';
import { LEASED_STATES } from '../tasks/index.js';
import type { CallContext, HostCallMethod } from './host-call.js';

/** A call that has ended, for its row and its event. */
export interface EndedCall {
  context: Pick<CallContext, 'taskId' | 'userId' | 'agentId' | 'agentOwnerId' | 'attempt' | 'n'>;
  /** Whether the owner of the agent sees the event. */
  shareLogs: boolean;
  method: HostCallMethod;
  target: string | null;
  /** `OK`, or the code of its error. */
  outcome: string;
  costMicro: bigint;
  /** What was reserved for it. */
  reservedMicro: bigint;
  requestBytes: number;
  answerBytes: number;
  durationMs: number;
}

/** The rows of host calls: record, metering and bill of each call. */
@Injectable()
export class CallRecords {
  private readonly ended: MicroBatcher<EndedCall & { traceparent?: string }, null>;

  constructor(
    private readonly sql: Sql,
    events: EventLog,
  ) {
    this.ended = new MicroBatcher(
      async (calls) => {
        const [{ seq }] = await sql.query<{ seq: string }>('call-end', END, [JSON.stringify(calls.map(toRow))]);
        events.announce({ seq: Number(seq), signals: [] });
        return calls.map(() => null);
      },
      { maxItems: 200 },
    );
  }

  /**
   * Reserves what a call can cost out of what its task pays for host calls.
   * @returns false when too little is left, or the task has moved on; then nothing was written
   */
  async reserve(
    call: Pick<EndedCall, 'context' | 'method' | 'target' | 'requestBytes'>,
    costMicro: bigint,
  ): Promise<boolean> {
    const { taskId, attempt, n, agentId } = call.context;
    const rows = await this.sql.query('call-reserve', RESERVE, [
      ...[taskId, attempt, n, agentId, call.method, call.target, call.requestBytes],
      costMicro.toString(),
    ]);
    return rows.length > 0;
  }

  /** Writes how a call ended, and frees what it did not cost. */
  async end(call: EndedCall): Promise<void> {
    await this.ended.add({ ...call, traceparent: sampledTraceparent() });
  }

  /** A page of a task's calls, in their order. @param after place of the last one seen: attempt and number */
  async list(taskId: string, after: { attempt: number; n: number }, limit: number): Promise<CallRow[]> {
    return this.sql.query<CallRow>('call-list', LIST, [taskId, after.attempt, after.n, limit]);
  }
}

export interface CallRow {
  attempt: number;
  n: number;
  agent_id: string;
  method: HostCallMethod;
  target: string | null;
  /** Null while it is carried out, or when its worker died meanwhile. */
  outcome: string | null;
  cost_micro: string;
  request_bytes: number;
  answer_bytes: number | null;
  duration_ms: number | null;
  at: Date;
}

const toRow = ({ context, shareLogs, traceparent, ...call }: EndedCall & { traceparent?: string }) => {
  const { taskId, userId, agentId, agentOwnerId, attempt, n } = context;
  const durationMs = Math.round(call.durationMs * 1000) / 1000;
  const data = {
    attempt,
    agent_id: agentId,
    n,
    method: call.method,
    target: call.target,
    outcome: call.outcome,
    request_bytes: call.requestBytes,
    answer_bytes: call.answerBytes,
    duration_ms: durationMs,
    cost: amountToWire(call.costMicro),
    share_logs: shareLogs,
  };
  return {
    task_id: taskId,
    user_id: userId,
    agent_id: agentId,
    agent_owner_id: agentOwnerId,
    attempt,
    n,
    method: call.method,
    target: call.target,
    outcome: call.outcome,
    cost_micro: call.costMicro.toString(),
    freed_micro: (call.reservedMicro - call.costMicro).toString(),
    request_bytes: call.requestBytes,
    answer_bytes: call.answerBytes,
    duration_ms: durationMs,
    data: JSON.stringify(data),
    traceparent,
  };
};

/** The guard is the task's row: an attempt that is over spends nothing more. */
const RESERVE = `
  WITH paying AS (
    UPDATE tasks
       SET host_cost_micro = host_cost_micro + $8::bigint
     WHERE id = $1 AND attempt = $2 AND status IN ${LEASED_STATES}
       AND host_cost_micro + $8::bigint <= max_host_cost_micro
    RETURNING id
  )
  INSERT INTO host_calls (task_id, attempt, n, agent_id, method, target, request_bytes, cost_micro)
  SELECT id, $2, $3, $4, $5, $6, $7, $8::bigint FROM paying
  RETURNING n`;

/** Takes the feed's lock before it locks tasks, as every batch does that writes events. */
const END = `
  WITH feed AS MATERIALIZED (SELECT ${LOCK_FEED}),
  ended AS MATERIALIZED (
    SELECT call.*
      FROM feed, json_to_recordset($1::json)
        AS call(task_id uuid, user_id uuid, agent_id uuid, agent_owner_id uuid, attempt int, n int, method text, target text,
                outcome text, cost_micro bigint, freed_micro bigint, request_bytes int, answer_bytes int,
                duration_ms float8, data text, traceparent text)
  ),
  call AS (
    INSERT INTO host_calls
      (task_id, attempt, n, agent_id, method, target, outcome, cost_micro, request_bytes, answer_bytes, duration_ms)
    SELECT task_id, attempt, n, agent_id, method, target, outcome, cost_micro, request_bytes, answer_bytes, duration_ms
      FROM ended
    ON CONFLICT (task_id, attempt, n) DO UPDATE
      SET outcome = excluded.outcome, cost_micro = excluded.cost_micro, answer_bytes = excluded.answer_bytes,
          duration_ms = excluded.duration_ms
  ),
  freed AS (
    UPDATE tasks
       SET host_cost_micro = host_cost_micro - freed.amount
      FROM (SELECT task_id, attempt, sum(freed_micro) AS amount FROM ended GROUP BY task_id, attempt) AS freed
     WHERE tasks.id = freed.task_id AND tasks.attempt = freed.attempt AND freed.amount > 0
       AND tasks.status IN ${LEASED_STATES}
  ),
  event AS (
    INSERT INTO task_events (type, task_id, user_id, agent_owner_id, agent_id, data, traceparent)
    SELECT 'task.host_call', task_id, user_id, agent_owner_id, agent_id, data::json, traceparent FROM ended
    RETURNING seq
  )
  SELECT max(seq) AS seq FROM event`;

const LIST = `
  SELECT attempt, n, agent_id, method, target, outcome, cost_micro, request_bytes, answer_bytes, duration_ms, at
    FROM host_calls
   WHERE task_id = $1 AND (attempt, n) > ($2::int, $3::int)
   ORDER BY attempt, n
   LIMIT $4`;
