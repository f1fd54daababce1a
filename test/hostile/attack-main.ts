import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { confine, type Confinement } from '../../src/confinement/confinement.js';
import { describeEnd, killConfined } from '../../src/confinement/ending.js';
import type { Wall } from '../../src/common/walls.js';

/** Which attacks to run: the compiled `attacks.c`, and an argument for each attack. */
export interface AttackPlan {
  binary: string;
  arguments: Record<string, string>;
}

/** `done`, the name of an error, or how the process ended. */
export type Outcomes = Record<string, string>;

export interface AttackReport {
  /** Outside of any wall, where an attack must succeed to prove something. */
  outside: Outcomes;
  /** Behind every wall that the machine has, and behind every wall but the filter of system calls. */
  behind: { without: Wall[]; missing: Wall[]; outcomes: Outcomes }[];
  /** Processes of an agent that forks without end: while it ran, and after it was killed. */
  survivors: { without: Wall[]; before: number; after: number }[];
}

/**
 * Runs the attacks behind walls as the user who starts this program: node attack-main.js PLAN. It prints an `AttackReport`. The
 * test starts it as root and as an ordinary user.
 */
const plan = JSON.parse(process.argv[2]) as AttackPlan;
const LIMITS = { heapMb: 64, memoryBytes: 384_000_000, cpuSeconds: 30 };

async function behindWalls<T>(without: Wall[], act: (confined: Confinement, binary: string) => Promise<T>): Promise<T> {
  const confined = await confine({ ...LIMITS, scripts: [new URL(import.meta.url)], without });
  const binary = join(confined.folder, 'attacks');
  copyFileSync(plan.binary, binary);
  chmodSync(binary, 0o755);
  try {
    return await act(confined, binary);
  } finally {
    await confined.release();
  }
}

async function outcomeOf(child: ChildProcess): Promise<string> {
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(describeEnd(code, signal)));
  });
  const [said, complaint, end] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  return said.trim() || `${end} ${complaint.trim()}`;
}

async function attackAll(start: (attack: string, argument: string) => ChildProcess): Promise<Outcomes> {
  const outcomes: Outcomes = {};
  for (const [attack, argument] of Object.entries(plan.arguments)) {
    outcomes[attack] = await outcomeOf(start(attack, argument));
  }
  return outcomes;
}

async function attackBehind(without: Wall[]): Promise<AttackReport['behind'][number]> {
  return behindWalls(without, async (confined, binary) => ({
    without,
    missing: confined.missing.map(({ wall }) => wall),
    outcomes: await attackAll((...args) => confined.spawn(['ignore', 'pipe', 'pipe'], [binary, ...args])),
  }));
}

/** Behind the filter nothing forks, so that this goes without it. */
function leaveProcessesBehind(...without: Wall[]): Promise<AttackReport['survivors'][number]> {
  return behindWalls(['syscalls', ...without], async (confined, binary) => {
    const mark = `zerostate-survivor-${process.pid}-${without.length}`;
    const child = confined.spawn(['ignore', 'pipe', 'inherit'], [binary, 'stay', mark]);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    // The last ones may still fork.
    const before = await settled(mark, (count) => count >= 11);
    killConfined(child);
    return { without, before, after: await settled(mark, (count) => count === 0) };
  });
}

/** Processes with `mark` on their command line, once they are as expected; after some seconds as they then are. */
async function settled(mark: string, expected: (count: number) => boolean): Promise<number> {
  let count = NaN;
  for (let round = 0; round < 100; round++) {
    count = readdirSync('/proc').filter((entry) => isMarked(entry, mark)).length;
    if (expected(count)) break;
    await setTimeout(50);
  }
  return count;
}

/** The attack itself and what it forked, not a tool that started it: only their command lines begin with the attack. */
function isMarked(entry: string, mark: string): boolean {
  try {
    const [program, ...args] = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
    return program.endsWith('/attacks') && args[1] === mark;
  } catch {
    return false;
  }
}

const report: AttackReport = {
  outside: await attackAll((...args) => spawn(plan.binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })),
  behind: [await attackBehind([]), await attackBehind(['syscalls'])],
  survivors: [await leaveProcessesBehind(), await leaveProcessesBehind('pids', 'files')],
};
console.log(JSON.stringify(report));
