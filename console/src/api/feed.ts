import { useSyncExternalStore } from 'react';
import { io, type Socket } from 'socket.io-client';
import type { FeedEvent } from '../lib/events';
import { accessToken, onToken, replace } from './session';

/**
 * The live feed: one WebSocket for the page, any number of topics, each with its own cursor. After a break each topic
 * continues after its cursor, so every event is delivered once and in order. docs/realtime.md has the protocol.
 */
export type Connection =
  { state: 'connecting' } | { state: 'live' } | { state: 'offline'; since: number; nextTryAt: number };

type Handler = (events: FeedEvent[]) => void;

interface Topic {
  cursor: number | undefined;
  /** Whether live events continue where the cursor is. */
  followed: boolean;
  handlers: Set<Handler>;
  matches: (event: FeedEvent) => boolean;
}

interface Reply {
  ok: boolean;
  events?: FeedEvent[];
  complete?: boolean;
}

/** A batch is delivered this often at most: live figures change four times a second, ms. */
const DELIVER_MS = 200;
const RETRY_MS = 5000;

let socket: Socket | undefined;
/** The token of the last handshake. */
let shown = '';
let own = '';
/** Components may listen before the connection is there, and across two of them. */
const ownHandlers = new Set<Handler>();
let connection: Connection = { state: 'connecting' };
const topics = new Map<string, Topic>();
const listeners = new Set<() => void>();
const waiting = new Map<Topic, FeedEvent[]>();
let delivery: number | undefined;

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => connection,
  );
}

/** @returns the newest event of the user's own feed that has arrived */
export const lastSeq = (): number | undefined => topics.get(own)?.cursor;

/** Connects as a user. Call `disconnect` when the user signs out. */
export function connect(userId: string): void {
  own = `user:${userId}`;
  const isMine = (event: FeedEvent): boolean =>
    event.user_id === userId || event.agent_owner_id === userId || event.type === 'system.announcement';
  topics.set(own, { cursor: undefined, followed: true, handlers: ownHandlers, matches: isMine });
  socket = io({
    transports: ['websocket'],
    reconnectionDelay: 1000,
    reconnectionDelayMax: RETRY_MS,
    auth: (answer) => {
      accessToken().then(
        (token) => {
          shown = token;
          answer({ token, after_seq: topics.get(own)?.cursor });
        },
        () => answer({ token: '' }),
      );
    },
  });
  const renewed = onToken((token) => socket?.emit('auth.refresh', { token }));
  socket.on('gap', () => missed());
  socket.on('connect', () => {
    // Without a cursor nothing tells what happened meanwhile.
    if (connection.state === 'offline') missed();
    change({ state: 'live' });
    for (const name of topics.keys()) if (name !== own) void follow(name);
  });
  socket.on('event', (event: FeedEvent) => {
    for (const topic of topics.values()) if (topic.followed && topic.matches(event)) take(topic, [event]);
  });
  socket.on('lagging', ({ topics: lagging }: { topics: { topic: string }[] }) => {
    for (const { topic: name } of lagging) void follow(name);
  });
  socket.on('disconnect', (reason) => {
    for (const [name, topic] of topics) topic.followed = name === own;
    goOffline();
    // The server closes connections whose credentials have ended. Socket.IO leaves the next step to us.
    if (reason === 'io server disconnect') window.setTimeout(() => socket?.connect(), 1000);
  });
  // A login that another tab has ended leads to the sign-in page.
  socket.on('closing', ({ code }: { code: string }) => askAgain(code));
  socket.on('connect_error', (error) => {
    askAgain((error as { data?: { code?: string } }).data?.code);
    goOffline();
    if (!socket?.active) window.setTimeout(() => socket?.connect(), RETRY_MS);
  });
  disconnectors.push(renewed);
}

const ENDED = ['TOKEN_INVALID', 'TOKEN_EXPIRED', 'SESSION_REVOKED', 'ACCOUNT_SUSPENDED', 'ROLE_CHANGED'];

/** Credentials that are no longer good are replaced, or the login is over. */
function askAgain(code: string | undefined): void {
  if (code && ENDED.includes(code)) void replace(shown).catch(() => undefined);
}

const disconnectors: (() => void)[] = [];

/** Reads again what is shown: the feed has continued after a break. */
let missed: () => void = () => undefined;
export function onBreakEnded(handler: () => void): void {
  missed = handler;
}

export function disconnect(): void {
  for (const undo of disconnectors.splice(0)) undo();
  socket?.disconnect();
  socket = undefined;
  topics.clear();
  waiting.clear();
  change({ state: 'connecting' });
}

/** Tries at once, for the banner's button. */
export function reconnect(): void {
  socket?.disconnect().connect();
}

/** Calls back with the user's own events, from now on. @returns how to stop */
export function onOwnEvents(handler: Handler): () => void {
  ownHandlers.add(handler);
  return () => ownHandlers.delete(handler);
}

/** Calls back with every event of a task, from its first on. @returns how to stop */
export function onTaskEvents(taskId: string, handler: Handler): () => void {
  return subscribe(`task:${taskId}`, (event) => event.task_id === taskId, 0, handler);
}

/** Calls back with every event of the market, from now on. For admins. @returns how to stop */
export function onAllEvents(handler: Handler): () => void {
  return subscribe('admin', () => true, undefined, handler);
}

function subscribe(
  name: string,
  matches: (event: FeedEvent) => boolean,
  cursor: number | undefined,
  handler: Handler,
): () => void {
  // A second reader of the same topic needs the past as well, so it starts the topic anew.
  topics.get(name)?.handlers.clear();
  topics.set(name, { cursor, followed: false, handlers: new Set(), matches });
  const topic = topics.get(name)!;
  topic.handlers.add(handler);
  if (socket?.connected) void follow(name);
  return () => {
    topic.handlers.delete(handler);
    if (topics.get(name) !== topic) return;
    topics.delete(name);
    socket?.emit('unsubscribe', { topic: name });
  };
}

/** Reads what a topic has missed, page by page, until its live events continue there. */
async function follow(name: string): Promise<void> {
  const topic = topics.get(name);
  if (!topic || !socket) return;
  topic.followed = false;
  while (topics.get(name) === topic && socket?.connected) {
    const reply: Reply = await socket
      .timeout(20_000)
      .emitWithAck('subscribe', { topic: name, after_seq: topic.cursor })
      .catch(() => ({ ok: false }));
    if (!reply.ok) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    topic.followed = reply.complete !== false;
    take(topic, reply.events ?? []);
    if (topic.followed) return;
  }
}

/** Takes each event once: an answer may repeat what has come live. */
function take(topic: Topic, events: FeedEvent[]): void {
  const fresh = events.filter(({ seq }) => topic.cursor === undefined || seq > topic.cursor);
  if (fresh.length === 0) return;
  topic.cursor = fresh.at(-1)!.seq;
  waiting.set(topic, [...(waiting.get(topic) ?? []), ...fresh]);
  delivery ??= window.setTimeout(deliver, DELIVER_MS);
}

function deliver(): void {
  delivery = undefined;
  const batches = [...waiting];
  waiting.clear();
  for (const [topic, events] of batches) for (const handler of topic.handlers) handler(events);
}

function goOffline(): void {
  const since = connection.state === 'offline' ? connection.since : Date.now();
  change({ state: 'offline', since, nextTryAt: Date.now() + RETRY_MS });
}

function change(next: Connection): void {
  connection = next;
  for (const listener of listeners) listener();
}
