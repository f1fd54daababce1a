import type { EventType, FeedEvent } from './feed-event.js';

/**
 * The one rule for which parts of an event a reader sees. Every transport applies it on reading, so it also covers
 * history.
 *
 * - `whole`: admins, the user whose task or agent it is about, and everybody for an announcement.
 * - `agent_owner`: the owner of the agent at work on a task of another user. Sees the members that `OF_OTHERS` lists.
 * - `nobody`: all other readers see nothing.
 */
export type View = 'whole' | 'agent_owner' | 'nobody';

/** The account that reads. */
export interface Reader {
  id: string;
  role: 'user' | 'admin';
}

export function viewOf(caller: Reader, event: FeedEvent): View {
  if (caller.role === 'admin' || event.type === 'system.announcement' || event.user_id === caller.id) return 'whole';
  return event.agent_owner_id === caller.id && event.type in OF_OTHERS ? 'agent_owner' : 'nobody';
}

/** @returns the event as this view shows it; null if the view hides it */
export function seenIn(view: View, event: FeedEvent): FeedEvent | null {
  if (view === 'whole') return event;
  const allowed = OF_OTHERS[event.type];
  if (view === 'nobody' || !allowed) return null;
  const isShared = event.data.share_logs === true;
  if (allowed.onlyShared && !isShared) return null;
  const data: Record<string, unknown> = {};
  for (const member of allowed.members) copy(member, event.data, data);
  if (isShared && allowed.shared) copy(allowed.shared, event.data, data, allowed.as);
  data.share_logs = isShared;
  const { seq, type, task_id, agent_owner_id, at } = event;
  return { seq, type, task_id, user_id: null, agent_owner_id, data, at };
}

export const asSeenBy = (caller: Reader, event: FeedEvent): FeedEvent | null => seenIn(viewOf(caller, event), event);

interface Allowed {
  /** Members of `data` that the owner always sees. */
  members: readonly string[];
  /** Member that the owner sees if the submitter shares logs. */
  shared?: string;
  /** Name under which it appears. */
  as?: string;
  /**
   * The event is visible only if the submitter shares logs. The number and times of log lines can also carry an input.
   */
  onlyShared?: true;
}

const METERING = ['wall_ms', 'cpu_ms', 'peak_memory_bytes'] as const;
const FAILURE = ['agent_id', 'outcome', 'trap', 'estimated_ms', ...METERING] as const;
const AGENT_ERROR = { shared: 'agent_error', as: 'error' } as const;

/** What an agent's owner sees of its work for others, by type. Other types are hidden. */
const OF_OTHERS: Partial<Record<EventType, Allowed>> = {
  'task.assigned': { members: ['status', 'agent_id', 'version', 'price'] },
  'task.running': { members: ['status', 'agent_id'] },
  'task.log': { members: ['agent_id'], shared: 'lines', onlyShared: true },
  // The number, the times and the sizes of calls can carry an input as log lines can.
  'task.host_call': { members: ['agent_id'], shared: 'method', onlyShared: true },
  // Questions quote the input, and the times of questions and answers can carry it.
  'task.input_required': { members: ['status', 'agent_id'], shared: 'question', onlyShared: true },
  'task.resumed': { members: ['status', 'agent_id'], onlyShared: true },
  'task.failover': { members: FAILURE, ...AGENT_ERROR },
  'task.requeued': { members: ['status', 'reason', ...FAILURE], ...AGENT_ERROR },
  'task.completed': { members: ['status', 'agent_id', 'version', 'cost', 'fee', 'estimated_ms', ...METERING] },
  'task.failed': { members: ['status', ...FAILURE], ...AGENT_ERROR },
  'task.cancelled': { members: ['status', 'agent_id'] },
  'task.rated': { members: ['agent_id', 'rating'] },
};

/** Reasons of `task.requeued` that reveal nothing about other agents. */
const OWN_REASONS: readonly unknown[] = ['stop', 'fault'];

function copy(member: string, from: Record<string, unknown>, to: Record<string, unknown>, as = member): void {
  const value = from[member];
  if (value === undefined || (member === 'reason' && !OWN_REASONS.includes(value))) return;
  to[as] = (METERING as readonly string[]).includes(member) ? roundedUp(Number(value)) : value;
}

/** Rounds up to the next of 1, 2, 5, 10, 20, 50, …: exact figures would let an agent send its owner an input. */
export function roundedUp(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 0;
  const exponent = Math.floor(Math.log10(value));
  const mantissa = value / 10 ** exponent;
  const step = [1, 2, 5, 10].find((one) => mantissa <= one * (1 + 1e-9)) ?? 10;
  // Parses text, because 2 · 10⁻³ as a product equals 0.002 only to the 16th digit.
  return Number(`${step}e${exponent}`);
}
