import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/**
 * One HTTP/1.1 keep-alive connection, one request at a time. Hand-made because the generator shares the machine with
 * the server it measures: it costs some 20 µs a request, the HTTP clients of Node.js several times as much.
 * Reads answers that carry `Content-Length`, in ASCII, which is what the routes under load answer.
 */
export class Connection {
  private received = '';
  private settle: ((answer: Answer) => void) | undefined;
  private fail: (error: Error) => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.received += text;
      this.deliver();
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the server closed the connection')));
  }

  /** @param localAddress where it comes from; unset: the system's choice */
  static async open(url: string, localAddress?: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    await once(socket, 'connect');
    return new Connection(socket);
  }

  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) return reject(new Error('the server has closed the connection'));
      this.settle = resolve;
      this.fail = reject;
      this.socket.write(request);
    });
  }

  close(): void {
    this.fail = () => undefined;
    this.socket.destroy();
  }

  private deliver(): void {
    const headEnd = this.received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.received.slice(0, headEnd);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.fail(new Error(`an answer without Content-Length:\n${head}`));
    const end = headEnd + 4 + Number(length);
    if (this.received.length < end) return;
    const answer = { status: Number(head.slice(9, 12)), body: this.received.slice(headEnd + 4, end) };
    this.received = this.received.slice(end);
    this.settle?.(answer);
  }
}

interface Answer {
  status: number;
  body: string;
}

/** A request as it goes over the wire. @param body sent as JSON */
export function request(method: string, url: string, path: string, token?: string, body?: object): string {
  const text = body ? JSON.stringify(body) : '';
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    ...(token ? [`Authorization: Bearer ${token}`] : []),
    ...(body ? ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`] : []),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${text}`;
}

export interface Load {
  /** Milliseconds since the epoch. */
  startedAt: number;
  elapsedMs: number;
  /** Of each request, ms. */
  latencies: number[];
}

/**
 * Sends a request over and over, on many connections at once, as long as `more` answers true.
 * @param status what every answer is to have
 * @throws Error with the first answer that has another
 */
export async function bombard(
  url: string,
  connectionCount: number,
  message: string,
  status: number,
  more: () => boolean,
): Promise<Load> {
  // Fresh ones: servers close those that were idle while others were measured.
  const connections = await Promise.all(Array.from({ length: connectionCount }, () => Connection.open(url)));
  const latencies: number[] = [];
  const startedAt = Date.now();
  const begin = performance.now();
  const sendAll = async (connection: Connection): Promise<void> => {
    while (more()) {
      const start = performance.now();
      const answer = await connection.send(message);
      latencies.push(performance.now() - start);
      if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.body}`);
    }
  };
  try {
    await Promise.all(connections.map(sendAll));
    return { startedAt, elapsedMs: performance.now() - begin, latencies };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Counts down; for `bombard`. */
export function times(count: number): () => boolean {
  let left = count;
  return () => left-- > 0;
}

/** For `bombard`. */
export function during(ms: number): () => boolean {
  const end = performance.now() + ms;
  return () => performance.now() < end;
}
