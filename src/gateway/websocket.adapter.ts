import type { IncomingMessage } from 'node:http';
import type { INestApplicationContext } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import type { Server, ServerOptions } from 'socket.io';

/**
 * Socket.IO over WebSocket alone: the long-polling transport would need sticky sessions as soon as there are two
 * processes.
 */
export class WebSocketAdapter extends IoAdapter {
  constructor(
    app: INestApplicationContext,
    private readonly origins: readonly string[],
  ) {
    super(app);
  }

  override createIOServer(port: number, options?: ServerOptions): Server {
    return super.createIOServer(port, {
      ...options,
      transports: ['websocket'],
      maxHttpBufferSize: 64 * 1024,
      // A connection that never says who it is goes soon. Milliseconds.
      connectTimeout: 10_000,
      serveClient: false,
      cors: { origin: [...this.origins] },
      allowRequest: (request, answer) => answer(null, this.mayConnect(request)),
    } as ServerOptions);
  }

  /** Browsers apply no same-origin rule to WebSockets: the server has to. Other clients send no `Origin`. */
  private mayConnect({ headers }: IncomingMessage): boolean {
    const { origin, host } = headers;
    if (origin === undefined || this.origins.includes(origin)) return true;
    return URL.canParse(origin) && new URL(origin).host === host;
  }
}
