import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Wall } from '../../src/common/walls.js';
import { ensureInstalled } from '../support/apt.js';
import type { AttackPlan, AttackReport } from './attack-main.js';

const DIST = fileURLToPath(new URL('../../', import.meta.url));
const SOURCE = fileURLToPath(new URL('../../../test/hostile/attacks.c', import.meta.url));

/** Each attack, the walls that stop it, and whether it succeeds outside for every user. */
const ATTACKS: [attack: string, walls: Wall[], outside: boolean][] = [
  ['read', ['files'], true],
  ['connect', ['network', 'syscalls'], true],
  ['unix', ['files', 'syscalls'], true],
  ['signal', ['pids'], true],
  ['ptrace', ['pids', 'syscalls'], false],
  ['fork', ['syscalls'], true],
  ['fill', ['files'], true],
  ['write', ['files', 'limits'], true],
  ['mount', ['capabilities', 'syscalls'], false],
  ['namespace', ['syscalls'], false],
  ['shared', ['syscalls'], true],
  ['system-v', ['syscalls'], true],
  ['allocate', ['memory'], true],
  ['files', ['limits'], true],
  ['threads', ['processes'], true],
  ['root', ['capabilities'], false],
  ['kernel', ['syscalls'], true],
];

const NOBODY = '65534';
const isRoot = process.getuid?.() === 0;
const users = isRoot ? ['root', 'an ordinary user'] : ['an ordinary user'];

/** Native code as an agent would run it that has broken out of the engine; only Linux has walls for that. */
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('native code behind the walls', () => {
  let folder: string;
  let node: string;
  const servers: Server[] = [];

  beforeAll(async () => {
    ensureInstalled('clang', () => spawnSync('clang', ['--version']).status === 0);
    folder = await mkdtemp(join(tmpdir(), 'walls-'));
    await chmod(folder, 0o755);
    const { status, stderr } = spawnSync('clang', [
      '-static',
      '-pthread',
      '-O1',
      SOURCE,
      '-o',
      join(folder, 'attacks'),
    ]);
    expect([status, String(stderr)]).toEqual([0, '']);
    // Where an ordinary user can read it.
    for (const part of ['src/confinement', 'src/common'])
      await cp(DIST + part, join(folder, part), { recursive: true });
    await mkdir(join(folder, 'test/hostile'), { recursive: true });
    await cp(`${DIST}test/hostile/attack-main.js`, join(folder, 'test/hostile/attack-main.js'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'readable'), 'secret');
    await mkdir(join(folder, 'shared'), { mode: 0o777 });
    await chmod(join(folder, 'shared'), 0o777);
    const isOpen = !isRoot || spawnSync('setpriv', [...as(NOBODY), process.execPath, '--version']).status === 0;
    node = isOpen ? process.execPath : join(folder, 'node');
    if (!isOpen) await copyFile(process.execPath, node);
    await listen(join(folder, 'socket'));
    await chmod(join(folder, 'socket'), 0o777);
    await listen(0);
  });

  afterAll(async () => {
    for (const server of servers) server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const as = (id: string): string[] => [`--reuid=${id}`, `--regid=${id}`, '--clear-groups'];

  async function listen(where: string | number): Promise<void> {
    const server = createServer((socket) => socket.destroy());
    servers.push(server);
    server.listen(typeof where === 'number' ? { port: where, host: '127.0.0.1' } : { path: where });
    await once(server, 'listening');
  }

  async function attackAs(user: string): Promise<AttackReport> {
    const change = isRoot && user !== 'root' ? ['setpriv', ...as(NOBODY)] : ['env'];
    // A process of the same user, which that user may signal and trace.
    const victim = spawn(change[0], [...change.slice(1), 'sleep', '120'], { stdio: 'ignore' });
    const plan: AttackPlan = {
      binary: join(folder, 'attacks'),
      arguments: {
        ...Object.fromEntries(ATTACKS.map(([attack]) => [attack, ''])),
        read: join(folder, 'readable'),
        connect: String((servers[1].address() as AddressInfo).port),
        unix: join(folder, 'socket'),
        signal: String(victim.pid),
        ptrace: String(victim.pid),
        write: join(folder, 'shared', 'file'),
        mount: join(folder, 'shared'),
        allocate: '2000000000',
      },
    };
    try {
      const [program, ...args] = [...change, node, join(folder, 'test/hostile/attack-main.js'), JSON.stringify(plan)];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
      const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)]);
      expect(complaint).toBe('');
      return JSON.parse(said) as AttackReport;
    } finally {
      victim.kill('SIGKILL');
    }
  }

  describe.each(users)('of %s', (user) => {
    let report: AttackReport;

    beforeAll(async () => {
      report = await attackAs(user);
    });

    it.each(ATTACKS)('is stopped at: %s', (attack, walls, outside) => {
      if (outside) expect(report.outside[attack]).toBe('done');
      for (const { without, missing, outcomes } of report.behind) {
        const standing = walls.filter((wall) => !without.includes(wall) && !missing.includes(wall));
        const outcome = outcomes[attack];
        expect({ attack, without, outcome }).toEqual({
          attack,
          without,
          outcome: standing.length > 0 ? expect.stringMatching(/^E[A-Z]+$/) : expect.any(String),
        });
      }
    });

    it('leaves no process behind when it forks, leaves its group and wishes to outlive the server', () => {
      const missing = report.behind[1].missing;
      for (const { without, before, after } of report.survivors) {
        const ends = !missing.includes('pids') || (!missing.includes('user') && !missing.includes('neighbours'));
        expect({ without, before, after }).toEqual({ without, before: 11, after: ends ? 0 : expect.any(Number) });
      }
    });
  });
});
