import type { components } from '../api/schema';

export type FeedEvent = components['schemas']['FeedEvent'];
export type TaskStatus = components['schemas']['TaskDto']['status'];

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
