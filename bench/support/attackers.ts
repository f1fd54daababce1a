import { connect, type Socket } from 'node:net';
import autocannon from 'autocannon';

/** A process that floods a server, told over IPC what with; it goes on until it is told to stop. */
export type AttackCommand =
  { type: 'start'; attack: Attack; url: string; connections: number; perSecond?: number } | { type: 'stop' };

/**
 * - `slow headers`: connections that send a byte of their request's head each second
 * - `slow bodies`: whole heads that announce a body, and then a byte of it each second
 * - `silence`: connections that never say anything
 * - `rubbish`: requests for what there is not, with tokens that are none and bodies that are no JSON, as many as asked for,
 *   each connection after the answer to its last
 * - `pipelined rubbish`: the same without waiting for answers
 * - `autocannon`: the same rubbish by autocannon, from one address
 *
 * All but the last come from eight addresses.
 */
export type Attack = 'slow headers' | 'slow bodies' | 'silence' | 'rubbish' | 'pipelined rubbish' | 'autocannon';

/** What came of it. */
export interface AttackReport {
  /** Connections open at the end; those that the server ends are replaced by new ones. */
  open: number;
  /** Requests written and answers read, per second. */
  sentPerSecond: number;
  answeredPerSecond: number;
}

const DRIP_MS = 1000;
const SEND_EVERY_MS = 10;
/** Requests of one connection that have no answer yet: what is not read is not sent on. */
const MOST_PIPELINED = 200;
/** New connections in a row before others get their turn. */
const REOPEN_PAUSE_MS = 50;
const ADDRESSES = 8;
/** Each flood comes from a network of its own: what the server knows of the last one does not help it. */
let networks = 0;

/** What goes on until it is stopped. */
interface Flood {
  stop(): AttackReport | Promise<AttackReport>;
}

class SocketFlood implements Flood {
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Map<Socket, number>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly startedAt = performance.now();
  private sent = 0;
  private answered = 0;
  private stopped = false;
  private readonly network = networks++;
  private addresses = 0;
  private readonly target: URL;
  private readonly atOnce: number;

  constructor(
    private readonly attack: Attack,
    url: string,
    connections: number,
    perSecond: number,
  ) {
    this.target = new URL(url);
    this.atOnce = attack === 'rubbish' ? 1 : MOST_PIPELINED;
    for (let count = 0; count < connections; count++) this.open();
    if (attack.startsWith('slow')) this.timers.push(setInterval(() => this.drip(), DRIP_MS));
    if (attack.endsWith('rubbish')) this.timers.push(setInterval(() => this.litter(perSecond), SEND_EVERY_MS));
  }

  stop(): AttackReport {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    const seconds = (performance.now() - this.startedAt) / 1000;
    const open = [...this.sockets].filter(({ readyState }) => readyState === 'open').length;
    for (const socket of this.sockets) socket.destroy();
    return {
      open,
      sentPerSecond: this.sent / seconds,
      answeredPerSecond: this.answered / seconds,
    };
  }

  private open(): void {
    const { hostname, port } = this.target;
    const localAddress = `127.1.${this.network}.${1 + (this.addresses++ % ADDRESSES)}`;
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    this.sockets.add(socket);
    socket.on('error', () => undefined); // `close` follows
    socket.on('connect', () => {
      if (this.attack === 'slow headers') socket.write('GET /api/v1/tasks HTTP/1.1\r\nX-Slow: ');
      if (this.attack === 'slow bodies') socket.write(SLOW_BODY);
      if (this.attack.endsWith('rubbish')) this.waiting.set(socket, 0);
    });
    socket.on('data', (chunk: Buffer) => {
      const answers = chunk.toString('latin1').split('HTTP/1.1 ').length - 1;
      this.answered += answers;
      if (this.waiting.has(socket)) this.waiting.set(socket, this.waiting.get(socket)! - answers);
    });
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.waiting.delete(socket);
      if (this.stopped) return;
      setTimeout(() => !this.stopped && this.open(), REOPEN_PAUSE_MS);
    });
  }

  private drip(): void {
    for (const socket of this.sockets) if (socket.writable && !socket.connecting) socket.write('x');
  }

  private litter(perSecond: number): void {
    const due = (performance.now() - this.startedAt) / 1000;
    const free = [...this.waiting].filter(([, waiting]) => waiting < this.atOnce).map(([socket]) => socket);
    // What could not be sent is not made up for: a generator that fell behind would else send it all at once.
    const count = Math.min(perSecond * due - this.sent, perSecond * ((5 * SEND_EVERY_MS) / 1000));
    const each = Math.floor(count / Math.max(1, free.length)) + 1;
    let left = count;
    for (const socket of free) {
      if (left <= 0) break;
      const many = Math.min(each, this.atOnce - this.waiting.get(socket)!);
      const first = this.sent % KINDS.length;
      socket.write(RUBBISH.slice(first, first + many).join(''));
      this.waiting.set(socket, this.waiting.get(socket)! + many);
      this.sent += many;
      left -= many;
    }
  }
}

/** The load generator of that name, as one takes it from npm. It opens again at once what the server ends. */
class Cannon implements Flood {
  private cannon!: autocannon.Instance;
  private readonly done: Promise<autocannon.Result>;

  constructor(
    url: string,
    private readonly connections: number,
    overallRate: number,
  ) {
    const options = { url, connections, overallRate, pipelining: 10, duration: 3600, requests: KINDS };
    this.done = new Promise((resolve, reject) => {
      this.cannon = autocannon(options, (error, result) => (error ? reject(error as Error) : resolve(result)));
    });
  }

  async stop(): Promise<AttackReport> {
    this.cannon.stop();
    const { requests, duration } = await this.done;
    return {
      open: this.connections,
      sentPerSecond: requests.sent / duration,
      answeredPerSecond: requests.total / duration,
    };
  }
}

const SLOW_BODY =
  'POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n';

const KINDS = [
  { method: 'GET', path: '/wp-login.php' },
  { method: 'GET', path: '/api/v1/tasks', headers: { authorization: 'Bearer not.a.token' } },
  { method: 'POST', path: '/api/v1/tasks', headers: { 'content-type': 'application/json' }, body: '{"budget"' },
  { method: 'GET', path: '/api/v1/tasks/../../etc/passwd?%00', headers: { 'x-api-key': 'nobody' } },
] satisfies autocannon.Request[];
const RUBBISH = Array.from({ length: MOST_PIPELINED + KINDS.length }, (_, index) =>
  asText(KINDS[index % KINDS.length]),
);

function asText({ method, path, headers = {}, body = '' }: autocannon.Request): string {
  const all = { host: 'x', ...headers, ...(body && { 'content-length': body.length }) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${String(body)}`;
}

let flood: Flood | undefined;
process.on('message', async (command: AttackCommand) => {
  if (command.type === 'start') {
    const { attack, url, connections, perSecond = 0 } = command;
    flood =
      attack === 'autocannon'
        ? new Cannon(url, connections, perSecond)
        : new SocketFlood(attack, url, connections, perSecond);
    process.send?.({ type: 'answer', answer: null });
  } else {
    process.send?.({ type: 'answer', answer: await flood?.stop() });
  }
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
process.send?.({ type: 'ready' });
