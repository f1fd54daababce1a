import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Staging } from './staging.js';

const MB = 1024 * 1024;

describe('the staging area', () => {
  let dir: string;
  let staging: Staging;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'zerostate-staging-'));
    staging = new Staging(join(dir, 'staged'));
  });

  afterEach(() => rm(dir, { recursive: true }));

  const stage = (bytes: Buffer, maxBytes = MB) => staging.stage(inPieces(bytes), maxBytes);
  const kept = () => readdir(join(dir, 'staged')).catch(() => []);

  it.each([0, 1, 65_536, MB])('counts and hashes %i bytes on their way, and has them at hand', async (size) => {
    const bytes = bytesOf(size);
    const staged = await stage(bytes);
    expect(staged).toMatchObject({ size, sha256: createHash('sha256').update(bytes).digest('hex') });
    expect(bytes.equals(await readFile(staged.path))).toBe(true);
  });

  it('closes its folder to other users of the machine, also one that was left open', async () => {
    const folder = join(dir, 'staged');
    const modeOf = async () => ((await stat(folder)).mode & 0o777).toString(8);
    await stage(Buffer.from('first'));
    expect(await modeOf()).toBe('750');
    await chmod(folder, 0o755);
    await stage(Buffer.from('second'));
    expect(await modeOf()).toBe('750');
  });

  it('takes as much as it may, and leaves nothing of one byte more', async () => {
    const bytes = bytesOf(200_000);
    await staging.discard(await stage(bytes, 200_000));
    await expect(stage(bytes, 199_999)).rejects.toMatchObject({ kind: 'too_large', code: 'BLOB_TOO_LARGE' });
    expect(await kept()).toEqual([]);
  });

  it('stops reading a source that never ends', async () => {
    let read = 0;
    const endless = new Readable({
      read() {
        read += 1000;
        this.push(Buffer.alloc(1000));
      },
    });
    await expect(staging.stage(endless, 100_000)).rejects.toMatchObject({ code: 'BLOB_TOO_LARGE' });
    expect(endless.destroyed).toBe(true);
    expect(read).toBeLessThan(MB);
  });

  it('leaves nothing of sources that fail while their file is still being opened', async () => {
    const refused = Array.from({ length: 100 }, async (_, ticks) => {
      const source = new Readable({ read: () => undefined });
      source.on('error', () => undefined);
      const staged = staging.stage(source, MB);
      for (let tick = 0; tick < ticks % 10; tick++) await setImmediate();
      source.destroy(new Error('refused'));
      await expect(staged).rejects.toThrow();
    });
    await Promise.all(refused);
    await setTimeout(200);
    expect(await kept()).toEqual([]);
  });

  it('leaves nothing of a source that fails or is cut off, and tells its error', async () => {
    const failing = Readable.from(
      (async function* () {
        yield bytesOf(100_000);
        throw new Error('the client hung up');
      })(),
    );
    await expect(staging.stage(failing, MB)).rejects.toThrow('the client hung up');

    const cut = new Readable({ read: () => undefined });
    cut.push(bytesOf(1000));
    const staged = staging.stage(cut, MB);
    cut.destroy();
    await expect(staged).rejects.toThrow();
    expect(await kept()).toEqual([]);
  });

  it('discards any number of times', async () => {
    const staged = await stage(bytesOf(1000));
    await staging.discard(staged);
    await staging.discard(staged);
    expect(await kept()).toEqual([]);
  });

  it('sweeps what nobody has written to for long, and nothing else', async () => {
    expect(await staging.sweep(0)).toBe(0);
    const [old, young] = [await stage(bytesOf(1000)), await stage(bytesOf(1001))];
    const hourAgo = new Date(Date.now() - 3_600_000);
    await utimes(old.path, hourAgo, hourAgo);
    expect(await staging.sweep(60_000)).toBe(1);
    await expect(readFile(old.path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await readFile(young.path)).length).toBe(1001);
  });
});

/** Bytes without a pattern, the same for the same size. */
function bytesOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = size + 1; at < size; at++) {
    state = (state * 48_271) % 2_147_483_647;
    bytes[at] = state & 0xff;
  }
  return bytes;
}

/** A stream in uneven pieces, as they come from a network. */
function inPieces(bytes: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 65_521) {
    pieces.push(bytes.subarray(at, at + size));
  }
  return Readable.from(pieces, { objectMode: false });
}
