import { connect as connectTcp } from 'node:net';
import { until } from '../support/until.js';

/** The first byte of a WebSocket frame that ends the connection. */
export const CLOSE_FRAME = '\x88';

/** The first byte of other frames: each is the last of its message. */
const TEXT = 0x81;
const PING = 0x89;
const PONG = '\x8a';

/** A Socket.IO client by hand, which can stop reading from its TCP socket; the library always reads. */
export class DeafClient {
  closed = false;
  private text = '';
  private asked = 0;

  private constructor(private readonly socket: ReturnType<typeof connectTcp>) {
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  /** Says nothing of who it is. */
  static async open(url: string): Promise<DeafClient> {
    const { hostname, port } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    socket.setNoDelay();
    const client = new DeafClient(socket);
    socket.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    client.listen();
    await until('the engine has opened', () => client.text.includes('"sid"'));
    return client;
  }

  /** @param times that it asks to be let in */
  static async connect(url: string, auth: object, times = 1): Promise<DeafClient> {
    const client = await DeafClient.open(url);
    client.send(...Array.from({ length: times }, () => `40${JSON.stringify(auth)}`));
    await until('the handshake is answered', () => /4[04]\{"/.test(client.text));
    client.socket.removeAllListeners('data');
    client.socket.pause();
    return client;
  }

  /** Asks to be let in where there is nothing. */
  knock(times: number): void {
    this.send(...Array<string>(times).fill('40/elsewhere,'));
  }

  ask(message: string, body: object): void {
    this.send(`42${this.asked++}${JSON.stringify([message, body])}`);
  }

  /** Acknowledgements of what nobody sent. */
  acknowledge(times: number): void {
    this.send(...Array.from({ length: times }, (_, id) => `43${id}[]`));
  }

  /** Of WebSocket itself, a few at a time: the other side answers them, and gives up when many answers are under way. */
  async ping(times: number): Promise<void> {
    const atOnce = 30;
    for (let sent = 0; sent < times && !this.heard(CLOSE_FRAME); sent += atOnce) {
      const answers = this.text.split(PONG).length + atOnce;
      this.sendFrames(PING, Array<string>(atOnce).fill('x'.repeat(100)));
      await until('they are answered', () => this.text.split(PONG).length >= answers || this.heard(CLOSE_FRAME));
    }
  }

  heard(text: string): boolean {
    return this.text.includes(text);
  }

  count(text: string): number {
    return this.text.split(text).length - 1;
  }

  listen(): void {
    // The payloads of unmasked frames are plain text between two to ten bytes of header.
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    this.socket.resume();
  }

  events(): number[] {
    return [...this.text.matchAll(/42\["event",\{"seq":(\d+),/g)].map((match) => Number(match[1]));
  }

  lagging(): { topics: { topic: string; after_seq: number }[] } | undefined {
    const match = /42\["lagging",(\{.*?\]\})\]/.exec(this.text);
    return match ? JSON.parse(match[1]) : undefined;
  }

  close(): void {
    this.socket.destroy();
  }

  private send(...texts: string[]): void {
    this.sendFrames(TEXT, texts);
  }

  /** All in one packet, so that the server has them at the same time. */
  private sendFrames(opcode: number, texts: string[]): void {
    const frames = texts.flatMap((text) => {
      const payload = Buffer.from(text);
      const size = opcode === PING ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
      const header = Buffer.from([opcode, 0x80 | size[0], ...size.slice(1), 0, 0, 0, 0]); // mask 0
      return [header, payload];
    });
    this.socket.write(Buffer.concat(frames));
  }
}
