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
      serveClient: false,
      cors: { origin: [...this.origins] },
    } as ServerOptions);
  }
}
