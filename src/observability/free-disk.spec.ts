import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../config/index.js';
import { FreeDisk } from './free-disk.js';
import { Health } from './health.js';

const MB = 1024 * 1024;

describe('the free disk', () => {
  const start = async (freeMb: number, leastMb: number) => {
    const disk = { freeMb };
    const health = new Health();
    const server = { ...parseEnvironment({}).server, dataDir: '/data', minFreeDiskBytes: leastMb * MB };
    class Disk extends FreeDisk {
      protected override async read(): Promise<number> {
        return disk.freeMb * MB;
      }
    }
    const free = new Disk(health, server);
    const look = async () => (await health.ask(1000)).disk;
    await look();
    return { disk, free, look, end: () => free.onApplicationShutdown() };
  };

  it('refuses what is stored while less than the limit is free, and says so to health', async () => {
    const { disk, free, look, end } = await start(100, 50);
    expect([free.isLow, (await look()).status]).toEqual([false, 'up']);
    disk.freeMb = 49;
    expect(await look()).toMatchObject({
      status: 'down',
      required: false,
      reason: expect.stringContaining('MIN_FREE'),
    });
    expect(free.isLow).toBe(true);
    expect(() => free.assertRoom()).toThrow(expect.objectContaining({ kind: 'full', code: 'DISK_FULL' }));
    disk.freeMb = 50;
    expect((await look()).status).toBe('up');
    free.assertRoom();
    end();
  });

  it('counts bodies that may still arrive, each until it is released', async () => {
    const { free, end } = await start(100, 50);
    const release = free.reserve(30 * MB);
    expect(() => free.reserve(30 * MB)).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    free.reserve(20 * MB)();
    release();
    release();
    free.reserve(50 * MB);
    expect(() => free.reserve(1)).toThrow();
    end();
  });

  it('refuses nothing when the limit is 0', async () => {
    const { free, end } = await start(0, 0);
    free.reserve(MB);
    expect(free.isLow).toBe(false);
    end();
  });
});
