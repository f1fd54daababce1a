import { Refusal } from '../common/refusal.js';
import { describeMissing, type MissingWall } from '../common/walls.js';
import type { Environment } from '../config/index.js';

/**
 * Stops a production start if a wall is missing that the operator has not accepted: agents are strangers' code.
 * @param missing missing walls of every kind of confined process that this server starts
 * @throws Refusal that names each of them and says what to do
 */
export function assertWalls({ server }: Environment, missing: readonly MissingWall[]): void {
  const refused = unaccepted({ server }, missing);
  if (refused.length === 0) return;
  const faults = [...new Set(refused.map(describeMissing))];
  const names = new Set([...server.allowMissingWalls, ...refused.map(({ wall }) => wall)]);
  throw new Refusal(
    `NODE_ENV=production, but walls around agents are missing on this machine: ${faults.join('; ')}.`,
    'docs/security.md ("What a deployment adds") says what the machine must allow. To go without these walls, set ' +
      `ALLOW_MISSING_WALLS=${[...names].join(',')}.`,
  );
}

/** The missing walls that prevent a start. */
export const unaccepted = ({ server }: Pick<Environment, 'server'>, missing: readonly MissingWall[]): MissingWall[] =>
  server.production ? missing.filter(({ wall }) => !server.allowMissingWalls.includes(wall)) : [];
