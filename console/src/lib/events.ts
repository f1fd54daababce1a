import type { components } from '../api/schema';

export type FeedEvent = components['schemas']['FeedEvent'];
export type TaskStatus = components['schemas']['TaskDto']['status'];

export type EventType = FeedEvent['type'];

/** Every type of event: the compiler refuses a missing one. */
export const EVENT_TYPES = Object.keys({
  'task.queued': true,
  'task.assigned': true,
  'task.running': true,
  'task.log': true,
  'task.output': true,
  'task.host_call': true,
  'task.input_required': true,
  'task.input_received': true,
  'task.resumed': true,
  'task.failover': true,
  'task.requeued': true,
  'task.completed': true,
  'task.failed': true,
  'task.cancelled': true,
  'task.rated': true,
  'agent.created': true,
  'agent.updated': true,
  'agent.blocked': true,
  'agent.unblocked': true,
  'agent.approved': true,
  'agent.version_uploaded': true,
  'agent.version_activated': true,
  'agent.version_retired': true,
  'agent.version_quarantined': true,
  'ledger.credited': true,
  'ledger.debited': true,
  'ledger.payout_requested': true,
  'ledger.payout_paid': true,
  'ledger.payout_rejected': true,
  'ledger.dispute_opened': true,
  'ledger.dispute_answered': true,
  'ledger.dispute_upheld': true,
  'ledger.dispute_rejected': true,
  'webhook.disabled': true,
  'system.announcement': true,
} satisfies Record<EventType, true>) as EventType[];

interface Filters {
  /** Types; empty: all. */
  events: readonly string[];
  /** Ids; empty: all, and events without an agent too. */
  agents: readonly string[];
}

/** @returns whether a webhook with these filters sends an event */
export const passes = ({ events, agents }: Filters, { type, data }: Pick<FeedEvent, 'type' | 'data'>): boolean =>
  (events.length === 0 || events.includes(type)) &&
  (agents.length === 0 || agents.includes((data as { agent_id?: string }).agent_id ?? ''));

export const ACTIVE: readonly TaskStatus[] = ['queued', 'assigned', 'running', 'input_required'];

export const isEnded = (status: TaskStatus): boolean => !ACTIVE.includes(status);

/** What of a task an event changes: the members that lists show. */
export function changeOf(event: FeedEvent): Partial<components['schemas']['TaskSummaryDto']> {
  const data = event.data as Record<string, never>;
  switch (event.type) {
    case 'task.assigned':
      return { status: 'assigned', agent_id: data.agent_id, version: data.version };
    case 'task.running':
      return { status: 'running', agent_id: data.agent_id, started_at: event.at };
    case 'task.input_required':
      return { status: 'input_required' };
    case 'task.resumed':
      return { status: 'running' };
    case 'task.failover':
      return { status: 'assigned', agent_id: data.next?.['agent_id'], version: data.next?.['version'] };
    case 'task.requeued':
      return { status: 'queued', agent_id: null, version: null, error: null as never, completed_at: null };
    case 'task.completed':
      return { status: 'completed', cost: data.cost, version: data.version, completed_at: event.at };
    case 'task.failed':
      return { status: 'failed', error: data.error, completed_at: event.at };
    case 'task.cancelled':
      return { status: 'cancelled', completed_at: event.at };
    case 'task.rated':
      return { rating: data.rating };
    default:
      return {};
  }
}
