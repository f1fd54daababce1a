/**
 * The walls around processes that handle hostile bytes, by their names in `ALLOW_MISSING_WALLS`. The text says what a
 * wall guarantees.
 */
export const WALLS = {
  network: 'no network',
  ipc: 'IPC and host name of its own',
  pids: 'process ids of its own',
  files: 'no file of the machine in sight',
  syscalls: 'filter of system calls',
  memory: 'memory limit',
  limits: 'limits of CPU time, file size, core dumps and open files',
  processes: 'limit of processes',
  privileges: 'no new privileges, end with the server',
  user: 'user of its own',
  neighbours: 'protection from one another',
  capabilities: 'no capabilities',
  heap: 'heap limit',
  permissions: 'no file access',
  code: 'no add-ons and no code from strings',
  wasm: 'caps on wasm memory and tables',
} as const;

export type Wall = keyof typeof WALLS;

export const WALL_NAMES = Object.keys(WALLS) as Wall[];

/** A wall that is missing on this machine, and why. */
export interface MissingWall {
  wall: Wall;
  reason: string;
}

/** One line for the operator, like `no network (network): unshare failed`. */
export const describeMissing = ({ wall, reason }: MissingWall): string => `${WALLS[wall]} (${wall}): ${reason}`;
