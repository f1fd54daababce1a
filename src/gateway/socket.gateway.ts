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
import { AccessTokens, type Caller } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { isId } from '../common/ids.js';
import type { FeedEvent } from '../feed/index.js';
import { TaskService } from '../tasks/index.js';
import { Hub, type Replay, type Subscriber, type Topic, topicName } from './hub.js';

/** Topics one connection may follow at a time. */
const MAX_TOPICS = 100;

/**
 * The feed over Socket.IO (WebSocket transport). The handshake carries the JWT in `auth.token`; the client is in
 * `user:<its id>` from the start.
 *
 *     → subscribe { topic: "task:<id>" | "user:<id>", after_seq? }   ack { ok: true, events, complete } | { ok: false, code, message }
 *     → unsubscribe { topic }                                        ack { ok: true }
 *     ← event { seq, type, task_id, … }                              each once, in order of seq
 */
@WebSocketGateway()
export class SocketGateway implements OnGatewayInit<Server>, OnGatewayConnection<Client>, OnGatewayDisconnect<Client> {
  private readonly logger = new Logger('Gateway');

  constructor(
    private readonly tokens: AccessTokens,
    private readonly tasks: TaskService,
    private readonly hub: Hub,
  ) {}

  afterInit(server: Server): void {
    server.use((socket, next) => {
      try {
        const token: unknown = socket.handshake.auth.token;
        const caller = this.tokens.verify(typeof token === 'string' ? token : '');
        socket.data = {
          caller,
          topics: new Map(),
          subscriber: { deliver: (event: FeedEvent) => socket.emit('event', event) },
        } satisfies ClientData;
        next();
      } catch (error) {
        next(handshakeError(error));
      }
    });
  }

  async handleConnection(client: Client): Promise<void> {
    try {
      await this.follow(client, { kind: 'user', id: client.data.caller.id }, undefined, () => undefined);
    } catch (error) {
      this.logger.error(`a connection could not be set up: ${(error as Error).message}`);
      client.disconnect(true);
    }
  }

  handleDisconnect(client: Client): void {
    for (const topic of client.data.topics.values()) this.hub.unsubscribe(topic, client.data.subscriber);
    client.data.topics.clear();
  }

  @SubscribeMessage('subscribe')
  async subscribe(@ConnectedSocket() client: Client, @MessageBody() body: unknown, @Ack() ack: unknown): Promise<void> {
    const answer: (acknowledgement: Acknowledgement) => void =
      typeof ack === 'function' ? (ack as never) : () => undefined;
    try {
      const { topic, afterSeq } = parseSubscription(body);
      await this.authorise(client.data.caller, topic);
      await this.follow(client, topic, afterSeq, (past) => answer({ ok: true, ...past }));
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

  private async follow(
    client: Client,
    topic: Topic,
    afterSeq: number | undefined,
    replay: (past: Replay) => void,
  ): Promise<void> {
    const key = topicName(topic);
    if (!client.data.topics.has(key) && client.data.topics.size >= MAX_TOPICS) {
      throw new AppError('exhausted', 'TOO_MANY_TOPICS', `One connection follows at most ${MAX_TOPICS} topics.`);
    }
    client.data.topics.set(key, topic);
    await this.hub.subscribe(topic, client.data.subscriber, afterSeq, replay);
    // The client may have left while the past was read.
    if (client.disconnected) this.hub.unsubscribe(topic, client.data.subscriber);
  }

  /** @throws AppError `not_found` for somebody else's */
  private async authorise(caller: Caller, topic: Topic): Promise<void> {
    if (topic.kind === 'task') await this.tasks.owned(caller, topic.id);
    else if (topic.id !== caller.id && caller.role !== 'admin') {
      throw new AppError('not_found', 'NOT_FOUND', 'There is no such topic, or it is not yours.');
    }
  }
}

interface ClientData {
  caller: Caller;
  topics: Map<string, Topic>;
  subscriber: Subscriber;
}

type Client = Socket & { data: ClientData };

type Acknowledgement =
  { ok: true; events?: FeedEvent[]; complete?: boolean } | { ok: false; code: string; message: string };

function parseSubscription(body: unknown): { topic: Topic; afterSeq?: number } {
  const { topic, after_seq: afterSeq } = (body ?? {}) as { topic?: unknown; after_seq?: unknown };
  const [kind, id, ...rest] = typeof topic === 'string' ? topic.split(':') : [];
  if ((kind !== 'user' && kind !== 'task') || !isId(id) || rest.length > 0) {
    throw new AppError('invalid', 'BAD_TOPIC', 'topic must be "task:<id>" or "user:<id>".');
  }
  if (afterSeq === undefined || afterSeq === null) return { topic: { kind, id } };
  if (!Number.isSafeInteger(afterSeq) || (afterSeq as number) < 0) {
    throw new AppError('invalid', 'BAD_CURSOR', 'after_seq must be a whole number of 0 or more.');
  }
  return { topic: { kind, id }, afterSeq: afterSeq as number };
}

const toRefusal = (error: unknown): { ok: false; code: string; message: string } =>
  error instanceof AppError
    ? { ok: false, code: error.code, message: error.message }
    : { ok: false, code: 'INTERNAL', message: 'Something went wrong on our side.' };

/** What a refused handshake hands the client: `message`, and `data.code`. */
function handshakeError(error: unknown): Error {
  const { code, message } = toRefusal(error);
  return Object.assign(new Error(message), { data: { code } });
}
