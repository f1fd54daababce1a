import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { MessageMappingProperties } from '@nestjs/websockets';
import proxyAddr from 'proxy-addr';
import type { Server, ServerOptions, Socket } from 'socket.io';
import { embedding } from '../common/raw-json.js';
import { lacksHeaders, soundAddress } from '../protection/index.js';

/** Documents in events are sent as their own text, which Socket.IO would parse. */
function embedDocuments({ encoder }: Server): void {
  const encode = encoder.encode.bind(encoder);
  encoder.encode = (packet) => {
    let attachments: unknown[] = [];
    const text = embedding(() => {
      const [first, ...others] = encode(packet) as [string, ...unknown[]];
      attachments = others;
      return first;
    });
    return [text, ...attachments] as string[];
  };
}

/** The request of a handshake. */
export interface Handshake extends IncomingMessage {
  /** The client's address, as Express determines it for other requests: proxy headers count as `TRUST_PROXY` allows. */
  ip: string;
}

/** Socket.IO over WebSocket alone. Long-polling would need sticky sessions as soon as there are two processes. */
export class WebSocketAdapter extends IoAdapter {
  constructor(
    private readonly app: NestExpressApplication,
    private readonly origins: readonly string[],
  ) {
    super(app);
  }

  override createIOServer(port: number, options?: ServerOptions): Server {
    const http = this.app.getHttpServer() as HttpServer;
    const answering = http.listeners('request') as ((...request: unknown[]) => void)[];
    const server = super.createIOServer(port, {
      ...options,
      transports: ['websocket'],
      // Requests without a handshake are answered like any other.
      destroyUpgrade: false,
      maxHttpBufferSize: 64 * 1024,
      // Closes a connection that never identifies itself. Milliseconds.
      connectTimeout: 10_000,
      serveClient: false,
      allowRequest: (request, answer) => {
        Object.assign(request, { ip: this.addressOf(request) } satisfies Partial<Handshake>);
        answer(null, !lacksHeaders(request) && this.mayConnect(request));
      },
    } as ServerOptions) as Server;
    // Socket.IO would answer requests below its path itself, past all limits. No transport uses such requests here.
    http.removeAllListeners('request');
    for (const listener of answering) http.on('request', listener);
    embedDocuments(server);
    return server;
  }

  /**
   * Our handlers answer by a promise, to the acknowledgement. Nest's own binding supports any number of answers. It
   * keeps a dozen RxJS subscribers per message of each socket, which doubles our memory.
   */
  override bindMessageHandlers(socket: Socket, handlers: MessageMappingProperties[]): void {
    for (const { message, callback, isAckHandledManually } of handlers) {
      socket.on(message as string, async (...payload: unknown[]) => {
        const { data, ack } = this.mapPayload(payload);
        const answer: unknown = await callback(data, ack);
        if (!isAckHandledManually) ack?.(answer);
      });
    }
  }

  private addressOf(request: IncomingMessage): string {
    const express = this.app.getHttpAdapter().getInstance() as { get(setting: string): unknown };
    const trust = express.get('trust proxy fn') as (address: string, hop: number) => boolean;
    return soundAddress(proxyAddr(request, trust), request.socket);
  }

  /** Browsers apply no same-origin rule to WebSockets, so the server must. Other clients send no `Origin`. */
  private mayConnect({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined || this.origins.includes(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }
}
