import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A monotonic clock that all processes of one machine share, ms. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * One Socket.IO connection over WebSocket that only listens, hand-made for the sake of thousands of them beside the
 * server they measure: it looks at the `seq` of an event and no further.
 *
 * @see https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/
 */
export class EventSocket {
  private received: Buffer = Buffer.alloc(0);
  private upgraded = false;

  private constructor(
    private readonly socket: Socket,
    private readonly token: string,
    private readonly onEvent: (seq: number) => void,
    private readonly onReady: () => void,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.received = this.received.length > 0 ? Buffer.concat([this.received, chunk]) : chunk;
      while (this.take());
    });
  }

  /** @param localAddress where it comes from @returns once the server has let it in */
  static open(
    url: string,
    token: string,
    localAddress: string,
    onEvent: (seq: number) => void,
    onClose: (reason: string) => void,
  ): Promise<EventSocket> {
    return new Promise((resolve, reject) => {
      const { hostname, port, host } = new URL(url);
      const socket = connect({ host: hostname, port: Number(port), localAddress });
      const opened: EventSocket = new EventSocket(socket, token, onEvent, () => resolve(opened));
      const end = (reason: string): void => {
        reject(new Error(`a connection was not let in: ${reason}`));
        onClose(reason);
      };
      socket.once('error', (error) => end(error.message)).once('close', () => end('closed by the server'));
      socket.once('connect', () => {
        const key = randomBytes(16).toString('base64');
        socket.write(
          `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\n` +
            `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
        );
      });
    });
  }

  close(): void {
    this.socket
      .removeAllListeners('close')
      .removeAllListeners('error')
      .on('error', () => undefined);
    this.socket.destroy();
  }

  /** @returns false when there is no whole message left */
  private take(): boolean {
    if (!this.upgraded) {
      const end = this.received.indexOf('\r\n\r\n');
      if (end < 0) return false;
      const head = this.received.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101')) return this.refuse(head);
      this.upgraded = true;
      this.received = this.received.subarray(end + 4);
      return true;
    }
    const { received } = this;
    if (received.length < 2) return false;
    const short = received[1] & 0x7f;
    const start = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (received.length < start) return false;
    const length =
      short === 126 ? received.readUInt16BE(2) : short === 127 ? Number(received.readBigUInt64BE(2)) : short;
    if (received.length < start + length) return false;
    const text = received.toString('latin1', start, start + length);
    this.received = received.subarray(start + length);
    if (this.received.length === 0) this.received = EMPTY;
    this.hear(text);
    return true;
  }

  private hear(text: string): void {
    if (text.startsWith('42["event"')) this.onEvent(Number(/"seq":(\d+)/.exec(text)?.[1]));
    else if (text.startsWith('0')) this.say(`40${JSON.stringify({ token: this.token })}`);
    else if (text.startsWith('40')) this.onReady();
    else if (text.startsWith('44')) this.refuse(text);
    else if (text === '2') this.say('3');
  }

  /** Clients have to mask what they send; a mask of zeros leaves it as it is. */
  private say(text: string): void {
    const length = Buffer.byteLength(text);
    const head =
      length < 126 ? Buffer.from([0x81, 0x80 | length]) : Buffer.from([0x81, 0xfe, length >> 8, length & 0xff]);
    this.socket.write(Buffer.concat([head, MASK, Buffer.from(text)]));
  }

  private refuse(reason: string): false {
    this.socket.destroy(new Error(reason.slice(0, 200)));
    return false;
  }
}

const EMPTY = Buffer.alloc(0);
const MASK = Buffer.alloc(4);
