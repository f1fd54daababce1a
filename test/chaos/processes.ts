import { readdirSync, readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 500;

/**
 * Remembers every process that was ever seen below the ones it watches, so that it can tell at the end which of them have
 * outlived their parents. A pid may be given anew, so a process is known by its pid and its start time.
 */
export class ProcessWatch {
  private readonly roots = new Set<number>();
  private readonly seen = new Map<string, { pid: number; command: string }>();
  private readonly clock = setInterval(() => this.look(), LOOK_EVERY_MS);

  watch(pid: number): void {
    this.roots.add(pid);
    this.look();
  }

  /** To be called right before one of them is killed: afterwards nobody knows whose children they were. */
  look(): void {
    const table = processTable();
    const children = byParent(table.values());
    const below = [...this.roots];
    for (const pid of below) {
      for (const child of children.get(pid) ?? []) {
        below.push(child.pid);
        this.seen.set(child.key, child);
      }
    }
  }

  /** Sandbox processes, or whatever else is below one of the watched, that run now. */
  below(root: number): number[] {
    const children = byParent(processTable().values());
    const below = [root];
    for (const pid of below) below.push(...(children.get(pid) ?? []).map((child) => child.pid));
    return below.slice(1);
  }

  /** What still runs of all that was ever seen. */
  survivors(): string[] {
    const table = processTable();
    return [...this.seen].filter(([key]) => table.has(key)).map(([, { pid, command }]) => `${pid} ${command}`);
  }

  stop(): void {
    clearInterval(this.clock);
  }
}

interface Row {
  key: string;
  pid: number;
  parent: number;
  command: string;
}

/** Every process that is not a zombie. Fields of proc(5): 4 parent, 22 start time. */
function processTable(): Map<string, Row> {
  const table = new Map<string, Row>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [, command] = /\((.*)\)/s.exec(stat) ?? [];
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z') continue;
      const key = `${name}@${fields[19]}`;
      table.set(key, { key, pid: Number(name), parent: Number(fields[1]), command });
    } catch {
      // It has ended meanwhile.
    }
  }
  return table;
}

function byParent(rows: Iterable<Row>): Map<number, Row[]> {
  const children = new Map<number, Row[]>();
  for (const row of rows) {
    const siblings = children.get(row.parent);
    if (siblings) siblings.push(row);
    else children.set(row.parent, [row]);
  }
  return children;
}
