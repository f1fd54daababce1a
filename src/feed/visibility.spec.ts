import { describe, expect, it } from '@jest/globals';
import { EVENT_TYPES, type EventType, type FeedEvent } from './feed-event.js';
import { asSeenBy, roundedUp } from './visibility.js';

const SUBMITTER = { id: 'submitter', role: 'user' } as const;
const OWNER = { id: 'owner', role: 'user' } as const;
const STRANGER = { id: 'stranger', role: 'user' } as const;
const ADMIN = { id: 'admin', role: 'admin' } as const;

/** Every member that any event has had, whatever its type. */
const DATA = {
  status: 'assigned',
  attempt: 2,
  agent_id: 'agent',
  agent_name: 'secret',
  version: '1.0.0',
  price: 0.5,
  cost: 0.5,
  competitive: true,
  next: { agent_name: 'secret', price: 0.7 },
  lines: ['secret'],
  question: 'secret',
  error: { code: 'ALL_AGENTS_FAILED', message: 'secret' },
  agent_error: { code: 'AGENT_TRAPPED', message: 'its own' },
  outcome: 'trapped',
  trap: 'unreachable',
  reason: 'busy',
  result: 'secret',
  result_ref: 'secret',
  result_size: 17,
  required_capabilities: ['secret'],
  priority: 'high',
  rating: 5,
  wall_ms: 1.234,
  cpu_ms: 0.0231,
  peak_memory_bytes: 131_072,
  estimated_ms: 40,
  slug: 'secret',
  method: 'secret',
  target: 'secret',
  request_bytes: 17,
  data: 'secret',
  something_new: 'secret',
};

const FIGURES = { wall_ms: 2, cpu_ms: 0.05, peak_memory_bytes: 200_000 };
const FAILURE = { agent_id: 'agent', outcome: 'trapped', trap: 'unreachable', estimated_ms: 40, ...FIGURES };

/** What the owner of the agent at work sees: always, and beside that where the submitter shares logs. Null: nothing. */
const OWNER_SEES: Record<EventType, { always: object | null; shared?: object }> = {
  'task.queued': { always: null },
  'task.assigned': { always: { status: 'assigned', agent_id: 'agent', version: '1.0.0', price: 0.5 } },
  'task.running': { always: { status: 'assigned', agent_id: 'agent' } },
  'task.log': { always: null, shared: { agent_id: 'agent', lines: ['secret'] } },
  'task.output': { always: null },
  'task.host_call': { always: null, shared: { agent_id: 'agent', method: 'secret' } },
  'task.input_required': { always: null, shared: { status: 'assigned', agent_id: 'agent', question: 'secret' } },
  'task.input_received': { always: null },
  'task.resumed': { always: null, shared: { status: 'assigned', agent_id: 'agent' } },
  'task.failover': { always: FAILURE, shared: { error: DATA.agent_error } },
  'task.requeued': { always: { status: 'assigned', ...FAILURE }, shared: { error: DATA.agent_error } },
  'task.completed': {
    always: { status: 'assigned', agent_id: 'agent', version: '1.0.0', cost: 0.5, estimated_ms: 40, ...FIGURES },
  },
  'task.failed': { always: { status: 'assigned', ...FAILURE }, shared: { error: DATA.agent_error } },
  'task.cancelled': { always: { status: 'assigned', agent_id: 'agent' } },
  'task.rated': { always: { agent_id: 'agent', rating: 5 } },
  // These are about an agent, whose owner is the event's user.
  'agent.created': { always: null },
  'agent.updated': { always: null },
  'agent.blocked': { always: null },
  'agent.unblocked': { always: null },
  'agent.approved': { always: null },
  'agent.version_uploaded': { always: null },
  'agent.version_activated': { always: null },
  'agent.version_retired': { always: null },
  'agent.version_quarantined': { always: null },
  // These are about a user's credits.
  'ledger.credited': { always: null },
  'ledger.debited': { always: null },
  'ledger.payout_requested': { always: null },
  'ledger.payout_paid': { always: null },
  'ledger.payout_rejected': { always: null },
  'ledger.dispute_opened': { always: null },
  'ledger.dispute_answered': { always: null },
  'ledger.dispute_upheld': { always: null },
  'ledger.dispute_rejected': { always: null },
  // These are about a user's webhook.
  'webhook.disabled': { always: null },
  'system.announcement': { always: null },
};

const event = (type: EventType, data: object = DATA): FeedEvent => ({
  seq: 7,
  type,
  task_id: 'task',
  user_id: type === 'system.announcement' ? null : SUBMITTER.id,
  agent_owner_id: OWNER.id,
  data: data as Record<string, unknown>,
  at: '2026-11-24T02:20:13.104Z',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
});

const TASK_EVENTS = EVENT_TYPES.filter((type) => type !== 'system.announcement');

describe.each(TASK_EVENTS)('an event of the type %s', (type) => {
  it.each([false, true, undefined])('is whole for its user and for admins where share_logs is %s', (share_logs) => {
    const whole = event(type, { ...DATA, share_logs });
    expect(asSeenBy(SUBMITTER, whole)).toBe(whole);
    expect(asSeenBy(ADMIN, whole)).toBe(whole);
  });

  it.each([false, true])('is nothing for a stranger where share_logs is %s', (share_logs) => {
    expect(asSeenBy(STRANGER, event(type, { ...DATA, share_logs }))).toBeNull();
  });

  it.each([false, true, undefined, 'true', 1])(
    'shows the owner its allow-list where share_logs is %s',
    (share_logs) => {
      const seen = asSeenBy(OWNER, event(type, { ...DATA, share_logs }));
      const { always, shared } = OWNER_SEES[type];
      const isShared = share_logs === true;
      const data = isShared && shared ? { ...always, ...shared } : always;
      expect(seen).toEqual(
        data && {
          seq: 7,
          type,
          task_id: 'task',
          user_id: null,
          agent_owner_id: OWNER.id,
          data: { ...data, share_logs: isShared },
          at: '2026-11-24T02:20:13.104Z',
        },
      );
    },
  );
});

describe('an event', () => {
  it('is whole for everybody when it is an announcement', () => {
    const announcement = event('system.announcement', { message: 'The market closes at 22:00 UTC.' });
    for (const caller of [SUBMITTER, OWNER, STRANGER, ADMIN]) expect(asSeenBy(caller, announcement)).toBe(announcement);
  });

  it('is whole for a submitter who owns the agent too', () => {
    const own = { ...event('task.log'), agent_owner_id: SUBMITTER.id };
    expect(asSeenBy(SUBMITTER, own)).toBe(own);
  });

  it('of a type that the rule does not know is nothing for the owner', () => {
    expect(asSeenBy(OWNER, event('task.invented' as EventType, { ...DATA, share_logs: true }))).toBeNull();
  });

  it.each([
    ['stop', 'stop'],
    ['fault', 'fault'],
    ['busy', undefined],
    ['retry', undefined],
  ])('task.requeued for the reason "%s" tells the owner %s', (reason, told) => {
    expect(asSeenBy(OWNER, event('task.requeued', { ...DATA, reason }))?.data.reason).toBe(told);
  });
});

describe('a rounded figure', () => {
  it.each([
    [0, 0],
    [0.0231, 0.05],
    [1, 1],
    [1.0001, 2],
    [2, 2],
    [37, 50],
    [50.1, 100],
    [999, 1000],
    [131_072, 200_000],
    [Number.NaN, 0],
    [-3, 0],
  ])('of %d is %d', (value, rounded) => {
    expect(roundedUp(value)).toBe(rounded);
  });
});
