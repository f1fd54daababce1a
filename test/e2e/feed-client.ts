import { io, type Socket } from 'socket.io-client';
import type { FeedEvent } from './agents.js';

export type Acknowledgement =
  { ok: true; events: FeedEvent[]; complete: boolean } | { ok: false; code: string; message: string };

/** A connection to the feed that keeps what it receives. */
export class FeedSocket {
  /** In the order of their arrival. */
  readonly received: FeedEvent[] = [];

  /** Words of events that are gone. */
  readonly gaps: object[] = [];

  connected = true;
  /** Why the server closes it. */
  closing?: { code: string; message: string };

  private constructor(private readonly socket: Socket) {
    socket.on('event', (event: FeedEvent) => this.received.push(event));
    socket.on('gap', (gap: object) => this.gaps.push(gap));
    socket.on('closing', (reason: { code: string; message: string }) => (this.closing = reason));
  }

  /** @throws Error as the server refused the handshake: `message` and `data.code` */
  static connect(
    url: string,
    auth: Record<string, unknown>,
    extraHeaders?: Record<string, string>,
  ): Promise<FeedSocket> {
    const socket = io(url, { auth, extraHeaders, transports: ['websocket'], forceNew: true, reconnection: false });
    const feed = new FeedSocket(socket);
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(feed));
      socket.on('disconnect', (reason) => {
        feed.connected = false;
        reject(new Error(reason)); // before the handshake was done, when the server died in it
      });
      socket.once('connect_error', (error) => {
        socket.close();
        reject(error);
      });
    });
  }

  ask(message: 'subscribe' | 'unsubscribe' | 'auth.refresh', body: unknown): Promise<Acknowledgement> {
    return this.socket.timeout(10_000).emitWithAck(message, body);
  }

  /**
   * Follows a task, or everything of a user, from a cursor on.
   * @returns a list that begins with what the acknowledgement carries and grows with what comes after it
   */
  follow(kind: 'task' | 'user', id: string, afterSeq: number): Promise<FeedEvent[]> {
    return this.followTopic(`${kind}:${id}`, afterSeq);
  }

  /** The same for any topic; without a cursor the list begins empty. */
  followTopic(topic: string, afterSeq?: number): Promise<FeedEvent[]> {
    return new Promise((resolve, reject) => {
      this.socket.emit('subscribe', { topic, after_seq: afterSeq }, (answer: Acknowledgement) => {
        if (!answer.ok) return reject(new Error(`${topic} was refused: ${answer.code}`));
        const followed = [...answer.events];
        this.socket.on('event', (event: FeedEvent) => {
          if (belongsTo(topic, event)) followed.push(event);
        });
        resolve(followed);
      });
    });
  }

  close(): void {
    this.socket.close();
  }
}

function belongsTo(topic: string, event: FeedEvent): boolean {
  const [kind, id] = topic.split(':');
  if (kind === 'admin') return true;
  return (kind === 'agent' ? event.data.agent_id : event[`${kind as 'task' | 'user'}_id`]) === id;
}

/** A task's events as a stream of server-sent events. */
export const openEventStream = (url: string, token: string, taskId: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/api/v1/tasks/${taskId}/events`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...headers },
  });

/** Reads the events of a stream until it ends, or its reader leaves. */
export async function* serverSentEvents(response: Response): AsyncGenerator<FeedEvent> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      if (!fields.has('data')) continue;
      const event = JSON.parse(fields.get('data')!) as FeedEvent;
      if (fields.get('id') !== String(event.seq) || fields.get('event') !== event.type) {
        throw new Error(`the fields of an event contradict each other:\n${block}`);
      }
      yield event;
    }
  }
}
