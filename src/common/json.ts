/**
 * Whether a JSON value nests deeper than `limit` arrays and objects. The check is a loop, because such values overflow
 * the stack of recursive functions, such as `JSON.stringify`.
 */
export function isDeeperThan(limit: number, value: unknown): boolean {
  let level: object[] = isContainer(value) ? [value] : [];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= limit) return true;
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return false;
}

/** Whether a JSON value has more than `limit` members and elements, nested ones included. Stops counting there. */
export function isLargerThan(limit: number, value: unknown): boolean {
  const containers = isContainer(value) ? [value] : [];
  let count = 0;
  for (const container of containers) {
    const members = Object.values(container);
    count += members.length;
    if (count > limit) return true;
    containers.push(...members.filter(isContainer));
  }
  return false;
}

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;
