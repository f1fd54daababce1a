import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';

/** Everything that happens and can be followed. Named `<subject>.<what happened>`. */
export const EVENT_TYPES = [
  'task.queued',
  'task.assigned',
  'task.running',
  'task.log',
  'task.output',
  'task.host_call',
  'task.input_required',
  'task.input_received',
  'task.resumed',
  'task.failover',
  'task.requeued',
  'task.completed',
  'task.failed',
  'task.cancelled',
  'task.rated',
  'agent.created',
  'agent.updated',
  'agent.blocked',
  'agent.unblocked',
  'agent.approved',
  'agent.version_uploaded',
  'agent.version_activated',
  'agent.version_retired',
  'agent.version_quarantined',
  'ledger.credited',
  'ledger.debited',
  'ledger.payout_requested',
  'ledger.payout_paid',
  'ledger.payout_rejected',
  'ledger.dispute_opened',
  'ledger.dispute_answered',
  'ledger.dispute_upheld',
  'ledger.dispute_rejected',
  'webhook.disabled',
  'system.announcement',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Events that end a task. */
export const END_EVENTS: ReadonlySet<string> = new Set<EventType>(['task.completed', 'task.failed', 'task.cancelled']);

/** One event as subscribers receive it, over WebSocket, SSE and REST alike. */
export class FeedEvent {
  /**
   * Position in the feed; grows in the order of commits. The cursor to resume after.
   * @example 4711
   */
  @ApiInteger()
  seq: number;
  type: EventType;
  /** The task it is about, if any. */
  @ApiId()
  task_id: string | null;
  /**
   * The user whose task or agent it is. Null for an announcement, and for the owner of an agent that works on another
   * user's task.
   */
  @ApiId()
  user_id: string | null;
  /** Owner of the agent at work, if any. */
  @ApiId()
  agent_owner_id: string | null;
  /**
   * What happened, by type.
   * @example { "status": "running", "attempt": 1 }
   */
  data: Record<string, unknown>;
  @ApiTime()
  at: string;
  /** Its place in the trace, if the trace is recorded: W3C Trace Context. Otherwise left out. */
  @ApiProperty({ type: 'string', required: false, example: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' })
  traceparent?: string;
}

/** An event before it is recorded: it has no place in the feed yet. */
export type NewFeedEvent = Omit<FeedEvent, 'seq' | 'at'>;
