import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ClamdVirusScanner } from '../../src/validation/drivers/clamd.driver.js';
import { NoVirusScanner } from '../../src/validation/drivers/none.driver.js';
import type { ScanOutcome } from '../../src/validation/virus-scanner.js';
import { type Clamd, EICAR, EICAR_SIGNATURE, startClamd, STREAM_MAX_BYTES } from '../support/clamd.js';

const PATIENT = { timeoutMs: 30_000, maxBytes: 100_000_000 };

describe('a virus scanner', () => {
  let clamd: Clamd;

  beforeAll(async () => {
    clamd = await startClamd();
  });

  afterAll(async () => {
    await clamd?.remove();
  });

  describe.each(['tcp', 'unix'] as const)('clamd over %s', (way) => {
    const scanner = (options = {}) => new ClamdVirusScanner({ url: clamd[way], ...PATIENT, ...options });

    it('calls bytes clean in which it finds nothing, whatever their number and pieces', async () => {
      for (const size of [0, 1, 65_536, 20_000_000]) {
        expect(await scanner().scan(pieces(Buffer.alloc(size, 'a'), 100_000))).toEqual({ end: 'clean' });
      }
    });

    it('names what it finds, wherever it stands and however it is cut', async () => {
      const infected = Buffer.concat([Buffer.alloc(3_000_000, 'a'), EICAR, Buffer.alloc(1_000_000, 'b')]);
      for (const [bytes, size] of [[EICAR, 7] as const, [infected, 65_536] as const]) {
        const outcome = await scanner().scan(pieces(bytes, size));
        expect(outcome).toEqual({ end: 'infected', signature: EICAR_SIGNATURE });
      }
    });

    it('does not call bytes clean of which it has not seen the end', async () => {
      const tooLarge = { end: 'too_large' };
      const beyondClamd = pieces(Buffer.alloc(STREAM_MAX_BYTES + 1_000_000), 262_144);
      expect(await scanner().scan(beyondClamd)).toEqual(tooLarge);
      const beyondOurs = pieces(Buffer.alloc(2000), 500);
      expect(await scanner({ maxBytes: 1999 }).scan(beyondOurs)).toEqual(tooLarge);
      expect([beyondClamd.destroyed, beyondOurs.destroyed]).toEqual([true, true]);
    });

    it('hears why clamd hung up, also when it writes on before it has heard', async () => {
      for (let round = 0; round < 5; round++) {
        const source = Readable.from(hesitating(STREAM_MAX_BYTES, Buffer.alloc(262_144)));
        expect(await scanner().scan(source)).toEqual({ end: 'too_large' });
      }
    });

    // Hundreds, since an answer must also be believed when it comes in the very moment the end has been written.
    it('scans many streams at the same time', async () => {
      const infected = { end: 'infected', signature: EICAR_SIGNATURE };
      for (let round = 0; round < 50; round++) {
        const outcomes = await Promise.all(
          Array.from({ length: 12 }, (_, index) =>
            scanner().scan(pieces(index % 3 ? Buffer.alloc(99_999) : EICAR, 1000)),
          ),
        );
        expect(outcomes).toEqual(outcomes.map((_, index) => (index % 3 ? { end: 'clean' } : infected)));
      }
    });

    it('throws what is wrong with the source, and not with the scanner', async () => {
      async function* breaking() {
        yield Buffer.alloc(1000);
        throw new Error('the disk is broken');
      }
      await expect(scanner().scan(Readable.from(breaking()))).rejects.toThrow('the disk is broken');
    });

    it('answers a ping', async () => {
      await expect(scanner().ping()).resolves.toBeUndefined();
    });

    it('is away while nobody listens, and there again afterwards', async () => {
      await clamd.stop();
      try {
        expect(await scanner().scan(pieces(EICAR, 10))).toMatchObject({ end: 'away' });
        await expect(scanner().ping()).rejects.toThrow();
      } finally {
        await clamd.start();
      }
      expect(await scanner().scan(pieces(EICAR, 10))).toMatchObject({ end: 'infected' });
    });
  });

  describe('a clamd that misbehaves is away, which is not clean:', () => {
    let server: Server | undefined;

    afterEach(() => {
      server?.close();
    });

    it.each<[string, (socket: Socket) => void]>([
      ['it never answers', (socket) => void socket.resume()],
      ['it does not even read', () => {}],
      ['it hangs up at once', (socket) => void socket.destroy()],
      ['it hangs up in the middle', (socket) => void socket.once('data', () => socket.destroy())],
      ['it ends without a word', (socket) => void socket.resume().end()],
      ['it stops in the middle of a word', (socket) => void socket.resume().write('stream: O')],
      ['it answers with an error', (socket) => void socket.resume().end('stream: Can not open file ERROR\0')],
      ['its time is up', (socket) => void socket.resume().end('COMMAND READ TIMED OUT\0')],
      ['it answers something else', (socket) => void socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n')],
      ['it calls clean what it has not read', (socket) => void socket.once('data', () => socket.end('stream: OK\0'))],
      ['it answers without end', (socket) => void socket.resume().write(Buffer.alloc(1_000_000, 'OK '))],
    ])('%s', async (_, behave) => {
      const scanner = new ClamdVirusScanner({ ...PATIENT, url: await listen(behave), timeoutMs: 500 });
      const source = pieces(Buffer.alloc(5_000_000), 100_000);
      expect(await scanner.scan(source)).toEqual({ end: 'away', reason: expect.any(String) });
      expect(source.destroyed).toBe(true);
      await expect(scanner.ping()).rejects.toThrow();
    });

    it('hears a verdict that comes before the end of the stream', async () => {
      const url = await listen((socket) => void socket.once('data', () => socket.end('stream: Early FOUND\0')));
      const outcome: ScanOutcome = await new ClamdVirusScanner({ ...PATIENT, url }).scan(
        pieces(Buffer.alloc(5_000_000), 100_000),
      );
      expect(outcome).toEqual({ end: 'infected', signature: 'Early' });
    });

    it('takes a warning about its own limits for what it is', async () => {
      const url = await listen(
        (socket) => void socket.resume().end('stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0'),
      );
      const outcome = await new ClamdVirusScanner({ ...PATIENT, url }).scan(pieces(Buffer.alloc(9), 9));
      expect(outcome).toEqual({ end: 'too_large' });
    });

    async function listen(behave: (socket: Socket) => void): Promise<string> {
      server = createServer((socket) => {
        socket.on('error', () => {});
        behave(socket);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }
  });

  it('that is not there says so, and calls nothing clean', async () => {
    expect(await new NoVirusScanner().scan(pieces(EICAR, 10))).toEqual({ end: 'not_configured' });
  });
});

function pieces(bytes: Buffer, size: number): Readable {
  const count = Math.ceil(bytes.length / size);
  return Readable.from(Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size)));
}

/** The first `prompt` bytes in pieces without delay, and four more pieces, for each of which this process stands still. */
async function* hesitating(prompt: number, piece: Buffer) {
  for (let bytes = 0; bytes < prompt + 4 * piece.length; bytes += piece.length) {
    yield piece;
    if (bytes > prompt - piece.length) {
      await nextTurn();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}
