import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ensureInstalled } from '../support/apt.js';
import type { Backend, Installation, InstallationOptions } from './installation.js';
import type { Random } from './random.js';

/** One thing that goes wrong in an installation that is at work, and is mended again. */
export interface Fault {
  /** Where it can happen; both when absent. */
  backends?: readonly Backend[];
  /** What the installation has to be for it. */
  prepare?(): Promise<Partial<InstallationOptions>>;
  /** Takes back what `prepare` has made, when the installation is gone. */
  cleanUp?(): Promise<void>;
  /** Breaks something and resolves once it is mended. */
  strike(installation: Installation, random: Random): Promise<void>;
  /** Codes of errors that tasks may end with for it. */
  mayFailWith?: readonly string[];
  /** It takes no worker's life. */
  killsNoWorker?: boolean;
}

/** By their names. What is killed gets `kill -9`, and its supervisor starts it again. */
export const FAULTS: Record<string, Fault> = {
  'worker-kill': {
    async strike({ workers }, random) {
      const victim = random.pick(workers);
      await victim.kill();
      await pause(random.between(0, 500));
      await victim.start();
    },
  },

  'api-kill': {
    killsNoWorker: true,
    async strike({ api }, random) {
      await api.kill();
      await pause(random.between(0, 500));
      await api.start();
    },
  },

  /** What runs in it counts as crashed, and the next agent's turn comes; with bad luck that is killed too. */
  'sandbox-kill': {
    killsNoWorker: true,
    mayFailWith: ['SANDBOX_CRASHED', 'ALL_AGENTS_FAILED'],
    async strike({ workers, processes }, random) {
      for (let round = 0; round < 10; round++) {
        const sandboxes = workers.flatMap(({ server }) => processes.below(server.pid));
        if (sandboxes.length > 0) kill(random.pick(sandboxes), 'SIGKILL');
        await pause(random.between(20, 100));
      }
    },
  },

  /** Its event loop stands still, for longer than the queue believes a worker to be alive, while its sandboxes compute. */
  'worker-freeze': {
    killsNoWorker: true,
    async strike({ workers }, random) {
      const victim = random.pick(workers);
      await victim.server.kill('SIGSTOP');
      await pause(LONGER_THAN_A_LOCK_MS);
      await victim.server.kill('SIGCONT');
    },
  },

  /** As after each lock that was lost: what workers hold is handed out once more, now and again when it is done. */
  duplicates: {
    killsNoWorker: true,
    async strike(installation) {
      for (let round = 0; round < 20; round++) {
        await handOutAgain(installation);
        await pause(100);
      }
    },
  },

  /** One worker is ten minutes ahead of the database, the other as much behind it. */
  'worker-clock': {
    killsNoWorker: true,
    async prepare() {
      ensureInstalled('faketime', () => faketimeLibrary() !== undefined);
      const LD_PRELOAD = faketimeLibrary() as string;
      const clock = (offset: string) => ({ LD_PRELOAD, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' });
      return { workerEnv: [clock('+10m'), clock('-10m')] };
    },
    async strike() {
      // Wrong from the first moment to the last.
    },
  },

  /** A crash with an append-only file. */
  'redis-kill': {
    backends: ['redis'],
    killsNoWorker: true,
    async strike({ redis }, random) {
      await redis!.kill();
      await pause(random.between(0, 2_000));
      await redis!.bringUp();
    },
  },

  /** A crash without one: it comes back empty. */
  'redis-loss': {
    backends: ['redis'],
    killsNoWorker: true,
    async strike({ redis }, random) {
      await redis!.kill();
      await redis!.loseData();
      await pause(random.between(0, 2_000));
      await redis!.bringUp();
    },
  },

  /** The network holds everything back, and connections stay. */
  'redis-pause': {
    backends: ['redis'],
    killsNoWorker: true,
    async strike({ redis }, random) {
      redis!.freeze();
      await pause(random.between(2_000, 8_000));
      redis!.thaw();
    },
  },

  'postgres-kill': {
    killsNoWorker: true,
    async strike({ postgres }, random) {
      await postgres.kill();
      await pause(random.between(0, 3_000));
      await postgres.bringUp();
    },
  },

  /** As in a failover to a standby that is not promoted yet: every session ends, and new ones may only read. */
  'postgres-read-only': {
    killsNoWorker: true,
    async strike({ postgres }, random) {
      await postgres.ask('ALTER DATABASE zerostate SET default_transaction_read_only = on');
      await postgres.ask(END_SESSIONS);
      await pause(random.between(2_000, 5_000));
      await postgres.ask('ALTER DATABASE zerostate RESET default_transaction_read_only');
      await postgres.ask(END_SESSIONS);
    },
  },

  /** Not a byte is left where the database writes: it refuses rows, and ends when it cannot write its log. */
  'disk-full': {
    killsNoWorker: true,
    async prepare() {
      disk = await smallDisk();
      return { postgresFolder: disk };
    },
    async cleanUp() {
      if (!disk) return; // there was no right to mount it
      spawnSync('umount', ['--lazy', disk]);
      await rm(disk, { recursive: true, force: true });
    },
    async strike({ postgres }, random) {
      const ballast = join(disk, 'ballast');
      const until = Date.now() + random.between(2_000, 5_000);
      // Whatever is freed meanwhile is taken as well.
      do {
        await fill(ballast);
        await pause(50);
      } while (Date.now() < until);
      await rm(ballast);
      await postgres.bringUp();
    },
  },
};

/** The queue takes a worker for lost after 15 s, at the next of its looks 5 s apart. */
const LONGER_THAN_A_LOCK_MS = 22_000;

/** The fault's own state: where the small disk is mounted. */
let disk = '';
const DISK_MB = 256;

/** A file system of its own, in memory. @throws Error when this account may not mount one */
async function smallDisk(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-chaos-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'zerostate-chaos', folder]);
  if (status !== 0) throw new Error(`A small disk needs the right to mount one: ${stderr.toString()}`);
  await chmod(folder, 0o711);
  return folder;
}

/** Lets a file grow until nothing is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'a');
  const { bavail, bsize } = await statfs(disk);
  try {
    const block = Buffer.alloc(bsize);
    for (let left = bavail; left > 0; left--) await file.write(block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

/** Everybody's but one's own. */
const END_SESSIONS = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
   WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`;

/** Takes all entries that workers hold out of their hands, as the queue does with those it takes for stalled. */
async function handOutAgain({ redis, postgres, queue }: Installation): Promise<void> {
  if (!redis) {
    await postgres.ask('UPDATE queue_entries SET consumer = NULL WHERE consumer IS NOT NULL');
    return;
  }
  await redis.with(async (client) => {
    const key = (name: string): string => `${queue}:tasks:${name}`;
    for (const id of await client.lrange(key('active'), 0, -1)) {
      const left = await client.lrem(key('active'), 1, id);
      if (left === 0) continue;
      await client
        .multi()
        .del(key(`${id}:lock`))
        .rpush(key('wait'), id)
        .zadd(key('marker'), 0, '0')
        .exec();
    }
  });
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Where Debian puts it; undefined when it is not installed. */
function faketimeLibrary(): string | undefined {
  const { stdout } = spawnSync('find', ['/usr/lib', '-name', 'libfaketimeMT.so.1'], { encoding: 'utf8' });
  return stdout.split('\n').find((line) => line !== '');
}
