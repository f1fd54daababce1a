import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import type { Server, Socket } from 'socket.io';
import {
  AccessTokens,
  ApiKeys,
  assertScope,
  type Caller,
  LastingAccess,
  type LastingConnection,
} from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { ConnectionLimits } from './connection-limits.js';
import { FanOut, isBehind, type Receiver } from './fan-out.js';
import { Hub, PAGE, type Replay, type Subscriber } from './hub.js';
import { MessageBudget } from './message-budget.js';
import { parseTopic, type Topic, topicName } from './topic.js';
import { TopicAccess } from './topic-access.js';
import { asSeenBy } from './visibility.js';
import type { Handshake } from './websocket.adapter.js';

/** Topics one connection may follow at a time. */
const MAX_TOPICS = 100;
/** How often a replay looks whether its client has taken what it was sent, ms. */
const DRAIN_POLL_MS = 20;

/**
 * The feed over Socket.IO (WebSocket transport); `docs/realtime.md` is its protocol. The handshake carries the JWT in
 * `auth.token` or a key in `auth.api_key`; the client is in `user:<its id>` from the start, after the cursor in
 * `auth.after_seq` if there is one.
 *
 *     → subscribe { topic, after_seq? }     ack { ok: true, events, complete } | { ok: false, code, message }
 *                                           with gap: true, oldest_seq where events after the cursor were deleted
 *     → unsubscribe { topic }               ack { ok: true }
 *     → auth.refresh { token | api_key }    ack { ok: true, expires_at }
 *     ← gap { topic, oldest_seq }           the same for the cursor of the handshake
 *     ← event { seq, type, task_id, … }     each once, in order of seq
 *     ← lagging { topics: [{ topic, after_seq }] }   read too slowly: these are no longer followed, resume them there
 *     ← closing { code, message }           the server closes the connection, and why
 */
@WebSocketGateway()
export class SocketGateway implements OnGatewayInit<Server>, OnGatewayConnection<Client>, OnGatewayDisconnect<Client> {
  private readonly logger = new Logger('Gateway');
  private readonly clients = new Set<Client>();
  private fanOut: FanOut;
  private laggingCount = 0;

  constructor(
    private readonly tokens: AccessTokens,
    private readonly keys: ApiKeys,
    private readonly lasting: LastingAccess,
    private readonly topicAccess: TopicAccess,
    private readonly limits: ConnectionLimits,
    private readonly hub: Hub,
  ) {}

  afterInit(server: Server): void {
    this.fanOut = new FanOut(server);
    server.use(
      (socket, next) =>
        void this.admit(socket).then(
          () => next(),
          (error) => next(handshakeError(error)),
        ),
    );
  }

  async handleConnection(client: Client): Promise<void> {
    const { connection, receiver, budget } = client.data;
    try {
      // Others may have taken the last place since the handshake.
      this.limits.check(connection.caller.id, client.data.address);
    } catch (error) {
      return close(client, error as AppError);
    }
    this.clients.add(client);
    const release = this.limits.take(connection.caller.id, client.data.address);
    const forget = this.lasting.keep(connection);
    client.data.leave = () => (release(), forget());
    // Once the connection takes what waits for it, nothing does.
    client.conn.on('flush', () => (receiver.queuedBytes = 0));
    client.use((packet, next) => {
      if (budget.spend()) return next();
      const acknowledge: unknown = packet.at(-1);
      if (typeof acknowledge === 'function') acknowledge(TOO_MANY_MESSAGES);
    });
    try {
      await this.followUser(client, parseCursor(client.handshake.auth.after_seq));
    } catch (error) {
      this.logger.error(`a connection could not be set up: ${(error as Error).message}`);
      client.disconnect(true);
    }
  }

  handleDisconnect(client: Client): void {
    this.clients.delete(client);
    client.data.leave?.();
    this.giveUpTopics(client);
  }

  @SubscribeMessage('subscribe')
  async subscribe(@ConnectedSocket() client: Client, @MessageBody() body: unknown, @Ack() ack: unknown): Promise<void> {
    const answer: (acknowledgement: Acknowledgement) => void =
      typeof ack === 'function' ? (ack as never) : () => undefined;
    const { caller } = client.data.connection;
    try {
      const { topic, afterSeq } = parseSubscription(body);
      await this.topicAccess.authorise(caller, topic);
      await this.follow(client, topic, afterSeq, ({ events, ...past }) =>
        answer({ ok: true, ...past, events: events.map((event) => asSeenBy(caller, event)) }),
      );
    } catch (error) {
      if (!(error instanceof AppError)) this.logger.error(`a subscription failed: ${(error as Error).stack}`);
      answer(toRefusal(error));
    }
  }

  @SubscribeMessage('unsubscribe')
  unsubscribe(@ConnectedSocket() client: Client, @MessageBody() body: unknown): Acknowledgement {
    try {
      const { topic } = parseSubscription(body);
      this.hub.unsubscribe(topic, client.data.subscriber);
      client.data.topics.delete(topicName(topic));
      return { ok: true };
    } catch (error) {
      return toRefusal(error);
    }
  }

  /** New credentials before the old ones expire. What is followed was granted to a user in a role, and stays so. */
  @SubscribeMessage('auth.refresh')
  async refresh(@ConnectedSocket() client: Client, @MessageBody() body: unknown): Promise<Refreshed | Refusal> {
    try {
      const { connection } = client.data;
      const caller = await this.authenticate(body);
      if (caller.id !== connection.caller.id || caller.role !== connection.caller.role) {
        throw new AppError('forbidden', 'OTHER_CALLER', 'These credentials are of another user or role: connect anew.');
      }
      connection.caller = caller;
      const { expiresAt } = caller;
      return { ok: true, expires_at: expiresAt === Infinity ? null : new Date(expiresAt).toISOString() };
    } catch (error) {
      return toRefusal(error);
    }
  }

  /** Figures of this process. */
  statistics(): { sockets: number; users: number; delivered: number; lagging: number } {
    const users = new Set([...this.clients].map((client) => client.data.connection.caller.id));
    return {
      sockets: this.clients.size,
      users: users.size,
      delivered: this.fanOut.delivered,
      lagging: this.laggingCount,
    };
  }

  /** @throws AppError when the handshake is refused */
  private async admit(socket: Socket): Promise<void> {
    const caller = await this.authenticate(socket.handshake.auth);
    parseCursor(socket.handshake.auth.after_seq);
    const { ip } = socket.request as Handshake;
    this.limits.check(caller.id, ip);
    const connection = { caller, onAccessEnded: (reason: AppError) => close(socket, reason) };
    const onLagging = (): void => this.tellLagging(socket as Client);
    const receiver: Receiver = { socket, caller, queuedBytes: 0, queuedSince: 0, onLagging };
    const subscriber: Subscriber = { deliver: (event) => this.fanOut.add(event, receiver) };
    const data: ClientData = {
      connection,
      address: ip,
      receiver,
      subscriber,
      topics: new Map(),
      budget: new MessageBudget(),
    };
    socket.data = data;
  }

  /** @param credentials `{ token }` or `{ api_key }`, unchecked @throws AppError as HTTP answers it */
  private async authenticate(credentials: unknown): Promise<Caller> {
    const { token, api_key: key } = (credentials ?? {}) as { token?: unknown; api_key?: unknown };
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    const byKey = token === undefined && key !== undefined;
    const caller = byKey ? await this.keys.authenticate(text(key)) : this.tokens.verify(text(token));
    assertScope(caller, 'tasks:read');
    return caller;
  }

  /** The caller's own topic, from the cursor on: past and present come as events alike, the past as fast as it is read. */
  private async followUser(client: Client, afterSeq: number | undefined): Promise<void> {
    const { connection, subscriber, receiver } = client.data;
    const { id } = connection.caller;
    let cursor = afterSeq;
    let complete = false;
    while (!complete && client.connected) {
      const deliver = (past: Replay): void => {
        if (past.gap) client.emit('gap', { topic: `user:${id}`, oldest_seq: past.oldest_seq });
        for (const event of past.events) subscriber.deliver(event);
        cursor = past.events.at(-1)?.seq ?? cursor;
        complete = past.complete;
      };
      await this.follow(client, { kind: 'user', id }, cursor, deliver, PAGE);
      while (!complete && client.connected && isBehind(receiver)) await pause(DRAIN_POLL_MS);
    }
  }

  private async follow(
    client: Client,
    topic: Topic,
    afterSeq: number | undefined,
    replay: (past: Replay) => void,
    most?: number,
  ): Promise<void> {
    const key = topicName(topic);
    if (!client.data.topics.has(key) && client.data.topics.size >= MAX_TOPICS) {
      throw new AppError('exhausted', 'TOO_MANY_TOPICS', `One connection follows at most ${MAX_TOPICS} topics.`);
    }
    client.data.topics.set(key, topic);
    await this.hub.subscribe(topic, client.data.subscriber, afterSeq, replay, most);
    // The client may have left while the past was read.
    if (client.disconnected) this.hub.unsubscribe(topic, client.data.subscriber);
  }

  /** A client that does not read what it is sent must not fill our memory: it is told where to go on, and not followed. */
  private tellLagging(client: Client): void {
    this.laggingCount += 1;
    client.emit('lagging', { topics: this.giveUpTopics(client) });
  }

  private giveUpTopics({ data: { topics, subscriber } }: Client): { topic: string; after_seq: number }[] {
    const cursors = [...topics].map(([name, topic]) => ({
      topic: name,
      after_seq: this.hub.unsubscribe(topic, subscriber),
    }));
    topics.clear();
    return cursors;
  }
}

interface ClientData {
  /** By whom it is held now: `auth.refresh` changes it. */
  connection: LastingConnection & { caller: Caller };
  address: string;
  topics: Map<string, Topic>;
  subscriber: Subscriber;
  receiver: Receiver;
  budget: MessageBudget;
  /** Gives the connection's place back. */
  leave?: () => void;
}

type Client = Socket & { data: ClientData };

type Refusal = { ok: false; code: string; message: string };
type Refreshed = { ok: true; expires_at: string | null };
type Acknowledgement = ({ ok: true } & Partial<Replay>) | Refusal;

const TOO_MANY_MESSAGES: Refusal = {
  ok: false,
  code: 'TOO_MANY_MESSAGES',
  message: 'This connection sends too many messages: wait a second.',
};

/** Tells why before it closes. */
function close(socket: Socket, { code, message }: AppError): void {
  socket.emit('closing', { code, message });
  socket.disconnect(true);
}

function parseSubscription(body: unknown): { topic: Topic; afterSeq?: number } {
  const { topic: name, after_seq: afterSeq } = (body ?? {}) as { topic?: unknown; after_seq?: unknown };
  const topic = parseTopic(name);
  return { topic, afterSeq: parseCursor(afterSeq) };
}

function parseCursor(afterSeq: unknown): number | undefined {
  if (afterSeq === undefined || afterSeq === null) return undefined;
  if (Number.isSafeInteger(afterSeq) && (afterSeq as number) >= 0) return afterSeq as number;
  throw new AppError('invalid', 'BAD_CURSOR', 'after_seq must be a whole number of 0 or more.');
}

const toRefusal = (error: unknown): Refusal =>
  error instanceof AppError
    ? { ok: false, code: error.code, message: error.message }
    : { ok: false, code: 'INTERNAL', message: 'Something went wrong on our side.' };

/** What a refused handshake hands the client: `message`, and `data.code`. */
function handshakeError(error: unknown): Error {
  const { code, message } = toRefusal(error);
  return Object.assign(new Error(message), { data: { code } });
}
