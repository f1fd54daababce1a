/** When each release line of Node.js gets its last security fixes: https://github.com/nodejs/Release */
const END_OF_LIFE: Record<string, string> = {
  20: '2026-04-30',
  21: '2024-06-01',
  22: '2027-04-30',
  23: '2025-06-01',
  24: '2028-04-30',
  25: '2026-06-01',
};

/**
 * @param version of Node.js, `20.19.0`
 * @returns the risk of running a release line without security fixes; undefined while it gets them
 */
export function endOfLife(version: string, now: Date): string | undefined {
  const [line] = version.split('.');
  const end = END_OF_LIFE[line];
  if (!end || now <= new Date(`${end}T23:59:59Z`)) return undefined;
  return (
    `Node.js ${line} has had no security fixes since ${end}. Agents run in its WebAssembly engine: a known vulnerability ` +
    'there can let an agent escape. Move to Node.js 24.'
  );
}
