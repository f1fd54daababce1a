import { readFileSync } from 'node:fs';

/**
 * The last process of a launch line in which tools fork and wait: each has one child, until one has none.
 * @returns undefined when the first process has no child, or none is to be seen
 */
export function innermostOf(pid: number | undefined): number | undefined {
  const child = childOf(pid);
  return child === undefined ? undefined : (innermostOf(child) ?? child);
}

function childOf(pid: number | undefined): number | undefined {
  try {
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return first ? Number(first) : undefined;
  } catch {
    return undefined;
  }
}
