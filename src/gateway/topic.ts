import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import { agentOf, type FeedEvent } from '../feed/index.js';

/**
 * A topic that subscribers can follow, as clients write it:
 *
 *     user:<id>    a user's tasks and agents, what these agents do for others, and announcements
 *     task:<id>    one task
 *     agent:<id>   one agent: its versions, and the tasks it works on
 *     admin        the whole feed
 */
export type Topic =
  { kind: 'user'; id: string } | { kind: 'task'; id: string } | { kind: 'agent'; id: string } | { kind: 'admin' };

/**
 * Topics are compared as text. PostgreSQL accepts ids in capitals, so they become lower case, as in events.
 * @throws AppError `invalid` `BAD_TOPIC`
 */
export function parseTopic(text: unknown): Topic {
  if (text === 'admin') return { kind: 'admin' };
  const [kind, id, ...rest] = typeof text === 'string' ? text.split(':') : [];
  if ((kind === 'user' || kind === 'task' || kind === 'agent') && isId(id) && rest.length === 0)
    return { kind, id: id.toLowerCase() };
  throw new AppError('invalid', 'BAD_TOPIC', 'topic must be "task:<id>", "agent:<id>", "user:<id>" or "admin".');
}

export const topicName = (topic: Topic): string => ('id' in topic ? `${topic.kind}:${topic.id}` : topic.kind);

/** The topics of an event, by name. Announcements also belong to every `user:` topic: see the hub. */
export const topicsOf = ({ user_id, agent_owner_id, task_id, data }: FeedEvent): string[] => [
  ...(user_id ? [`user:${user_id}`] : []),
  ...(agent_owner_id && agent_owner_id !== user_id ? [`user:${agent_owner_id}`] : []),
  ...(task_id ? [`task:${task_id}`] : []),
  ...(agentOf(data) ? [`agent:${agentOf(data)}`] : []),
  'admin',
];

export const isAnnouncement = ({ type }: FeedEvent): boolean => type === 'system.announcement';
