import type { Caller } from '../auth/index.js';
import type { FeedEvent } from '../feed/index.js';

/** Whether the caller sees an event whole: the one it happened to, admins, and everybody an announcement. */
export const seesAll = (caller: Caller, event: FeedEvent): boolean =>
  caller.role === 'admin' || event.user_id === null || event.user_id === caller.id;

/**
 * An event of somebody else's task as the owner of the agent at work sees it: what the agent did and how it ended, but
 * neither who asked nor what was answered.
 */
export function asAgentOwnerSees(event: FeedEvent): FeedEvent {
  const { result, result_ref, result_size: _, ...data } = event.data;
  const withheld =
    result === undefined && result_ref === undefined ? {} : { result_omitted: 'belongs to the submitter of the task' };
  return { ...event, user_id: null, data: { ...data, ...withheld } };
}

export const asSeenBy = (caller: Caller, event: FeedEvent): FeedEvent =>
  seesAll(caller, event) ? event : asAgentOwnerSees(event);
