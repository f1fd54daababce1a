import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

/** Kills a child and its process group, which it leads. */
export function killConfined(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is empty, or the system knows no groups.
    child.kill('SIGKILL');
  }
}

/** How a child ended, for a person. Tools of the launch line report the signal as a shell does: 128 and its number. */
export function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  const number = (code ?? 0) - 128;
  const name = signal ?? Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return name ? `killed by ${name}` : `exit code ${code}`;
}
