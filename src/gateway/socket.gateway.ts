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
import { LongLivedAccess, RequestLimits } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { stringify } from '../common/raw-json.js';
import { asSeenBy } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import { ConnectionLimits } from './connection-limits.js';
import { FanOut, queue } from './fan-out.js';
import { Hub, PAGE, type Replay } from './hub.js';
import { Listener } from './listener.js';
import { limitMessages, limitPackets } from './message-limits.js';
import { SocketCredentials } from './socket-credentials.js';
import { forgetHandshake, parseCursor, parseSubscription } from './socket-input.js';
import { handshakeError, type Refusal, toRefusal } from './refusal.js';
import { type Topic, topicName } from './topic.js';
import { TopicAccess } from './topic-access.js';
import type { Handshake } from './websocket.adapter.js';

/**
 * The feed over Socket.IO (WebSocket transport); `docs/realtime.md` describes the protocol. The handshake carries the
 * JWT in `auth.token` or a key in `auth.api_key`. The client follows `user:<its id>` from the start, after the cursor
 * in `auth.after_seq` if set.
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
  private readonly warnOfOutage = outageLog(this.logger, 'connections cannot be set up');
  /** By transport connection. */
  private readonly listeners = new Map<Client['conn'], Listener>();
  /** Transport connections that have sent a handshake. */
  private readonly greeted = new WeakSet<Client['conn']>();
  private fanOut: FanOut<Listener>;
  private laggingCount = 0;

  constructor(
    private readonly credentials: SocketCredentials,
    private readonly access: LongLivedAccess,
    private readonly topicAccess: TopicAccess,
    private readonly limits: ConnectionLimits,
    private readonly requests: RequestLimits,
    private readonly hub: Hub,
  ) {}

  afterInit(server: Server): void {
    this.fanOut = new FanOut(server, (listener) => this.tellLagging(listener));
    server.use(
      (socket, next) =>
        void this.admit(socket).then(
          () => next(),
          (error) => {
            if (error instanceof AppError) {
              // The client has been notified by then. It can reconnect with other credentials.
              setImmediate(() => socket.conn.close());
            } else this.breakOff(socket, error);
            next(handshakeError(error));
          },
        ),
    );
    server.engine.on('connection', (connection: Client['conn']) =>
      limitPackets(connection, () => this.listeners.get(connection)),
    );
    // Once a connection's waiting data is dropped, nothing else does this.
    server.engine.on('flush', (connection: Client['conn']) => {
      const listener = this.listeners.get(connection);
      if (listener) listener.queuedBytes = 0;
    });
  }

  async handleConnection(client: Client): Promise<void> {
    const listener = client.data;
    try {
      // Other connections may have taken the last place since the handshake.
      this.limits.check(listener.caller.id, listener.address);
    } catch (error) {
      return listener.close(error as AppError);
    }
    this.listeners.set(client.conn, listener);
    const release = this.limits.take(listener.caller.id, listener.address);
    const forget = this.access.keep(listener);
    listener.leave = () => (release(), forget());
    limitMessages(client, listener);
    const cursor = parseCursor(client.handshake.auth.after_seq);
    forgetHandshake(client);
    try {
      await listener.inTurn(() => this.followUser(listener, cursor));
    } catch (error) {
      this.breakOff(client, error);
    }
  }

  handleDisconnect(client: Client): void {
    this.listeners.delete(client.conn);
    client.data.leave?.();
    this.giveUpTopics(client.data);
  }

  @SubscribeMessage('subscribe')
  async subscribe(@ConnectedSocket() client: Client, @MessageBody() body: unknown, @Ack() ack: unknown): Promise<void> {
    const answer: (acknowledgement: Acknowledgement) => void =
      typeof ack === 'function' ? (ack as never) : () => undefined;
    const listener = client.data;
    try {
      const { topic, afterSeq } = parseSubscription(body);
      // Before any await: the client's next message may be an unsubscribe.
      const isNew = listener.reserve(topic);
      try {
        await listener.inTurn(() => this.replay(listener, topic, afterSeq, answer));
      } catch (error) {
        if (isNew) this.giveUp(listener, topic);
        throw error;
      }
    } catch (error) {
      if (!(error instanceof AppError)) this.logger.error(`a subscription failed: ${(error as Error).stack}`);
      answer(toRefusal(error));
    }
  }

  @SubscribeMessage('unsubscribe')
  unsubscribe(@ConnectedSocket() client: Client, @MessageBody() body: unknown): Acknowledgement {
    try {
      const { topic } = parseSubscription(body);
      this.giveUp(client.data, topic);
      return { ok: true };
    } catch (error) {
      return toRefusal(error);
    }
  }

  /**
   * Accepts new credentials before the old ones expire. They must be of the same user and role, because topics were
   * granted to these.
   */
  @SubscribeMessage('auth.refresh')
  async refresh(@ConnectedSocket() client: Client, @MessageBody() body: unknown): Promise<Refreshed | Refusal> {
    try {
      const listener = client.data;
      const caller = await this.credentials.authenticate(body, listener.address);
      if (caller.id !== listener.caller.id || caller.role !== listener.caller.role) {
        throw new AppError(
          'forbidden',
          'OTHER_CALLER',
          'These credentials belong to another user or role: open a new connection.',
        );
      }
      listener.caller = caller;
      const { expiresAt } = caller;
      return { ok: true, expires_at: expiresAt === Infinity ? null : new Date(expiresAt).toISOString() };
    } catch (error) {
      return toRefusal(error);
    }
  }

  /** Figures of this process. */
  statistics(): { sockets: number; users: number; delivered: number; lagging: number } {
    const users = new Set([...this.listeners.values()].map(({ caller }) => caller.id));
    return {
      sockets: this.listeners.size,
      users: users.size,
      delivered: this.fanOut.delivered,
      lagging: this.laggingCount,
    };
  }

  /** @throws AppError if the handshake is refused */
  private async admit(socket: Socket): Promise<void> {
    const { ip } = socket.request as Handshake;
    if (this.greeted.has(socket.conn)) {
      throw new AppError(
        'conflict',
        'ALREADY_CONNECTED',
        'This connection already had its handshake: open another connection.',
      );
    }
    this.greeted.add(socket.conn);
    const caller = await this.credentials.authenticate(socket.handshake.auth, ip);
    parseCursor(socket.handshake.auth.after_seq);
    this.limits.check(caller.id, ip);
    socket.data = new Listener(socket, caller, ip, this.fanOut);
  }

  /**
   * Follows the caller's own topic from the cursor on. Past and present arrive as events, the past as fast as the
   * client reads, until it unsubscribes. Other topics wait until it is up to date, so an event of both arrives once.
   */
  private async followUser(listener: Listener, afterSeq: number | undefined): Promise<void> {
    const { socket, caller } = listener;
    let cursor = afterSeq;
    const topic: Topic = { kind: 'user', id: caller.id };
    let complete = false;
    const wanted = (): boolean => socket.connected && listener.topics.has(topicName(topic));
    listener.reserve(topic);
    while (!complete && wanted()) {
      const deliver = (past: Replay): void => {
        if (!wanted()) return;
        if (past.gap) socket.emit('gap', { topic: topicName(topic), oldest_seq: past.oldest_seq });
        for (const event of past.events) listener.deliver(event);
        cursor = past.events.at(-1)?.seq ?? cursor;
        complete = past.complete;
      };
      await this.follow(listener, topic, cursor, deliver, PAGE);
      if (!complete) await listener.caughtUp();
    }
  }

  private async replay(
    listener: Listener,
    topic: Topic,
    afterSeq: number | undefined,
    answer: (acknowledgement: Acknowledgement) => void,
  ): Promise<void> {
    const { caller } = listener;
    await this.requests.takeMessage('read', caller.id);
    await this.topicAccess.authorise(caller, topic);
    // Unsubscribed while it waited.
    if (!listener.topics.has(topicName(topic))) return answer({ ok: true, events: [], complete: false });
    await this.follow(listener, topic, afterSeq, ({ events: past, ...rest }) => {
      const events = past.flatMap((event) => asSeenBy(caller, event) ?? []);
      for (const event of events) queue(listener, stringify(event).length);
      if (!rest.complete) listener.topics.delete(topicName(topic));
      answer({ ok: true, ...rest, events });
    });
  }

  private async follow(
    listener: Listener,
    topic: Topic,
    afterSeq: number | undefined,
    replay: (past: Replay) => void,
    most?: number,
  ): Promise<void> {
    await this.hub.subscribe(topic, listener, afterSeq, replay, most);
    // The client may have left while the past was read.
    if (listener.socket.disconnected) this.hub.unsubscribe(topic, listener);
  }

  /**
   * Closes without a message. A client whose connection breaks reconnects by itself; one that is refused or
   * disconnected does not.
   */
  private breakOff(socket: Socket, error: unknown): void {
    this.warnOfOutage(error as Error);
    socket.conn.close();
  }

  /**
   * Protects our memory from a client that does not read: it is notified where to resume, and its topics are no longer
   * followed.
   */
  private tellLagging(listener: Listener): void {
    const topics = this.giveUpTopics(listener);
    if (topics.length === 0) return;
    this.laggingCount += 1;
    listener.socket.emit('lagging', { topics });
  }

  private giveUp(listener: Listener, topic: Topic): void {
    this.hub.unsubscribe(topic, listener);
    listener.topics.delete(topicName(topic));
  }

  /** Topics whose past is still unread stay: they follow when the client has caught up. */
  private giveUpTopics(listener: Listener): { topic: string; after_seq: number }[] {
    return [...listener.topics].flatMap(([name, topic]) => {
      const cursor = this.hub.unsubscribe(topic, listener);
      if (cursor === undefined) return [];
      listener.topics.delete(name);
      return [{ topic: name, after_seq: cursor }];
    });
  }
}

type Client = Socket & { data: Listener };

type Refreshed = { ok: true; expires_at: string | null };
type Acknowledgement = ({ ok: true } & Partial<Replay>) | Refusal;
