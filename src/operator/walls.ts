import { createValidator } from '../boot/validator.js';
import { unaccepted } from '../boot/walls.js';
import { describeMissing, type MissingWall } from '../common/walls.js';
import type { Environment } from '../config/index.js';
import { ValidatorServer } from '../validation/index.js';
import { type Finding, reason } from './finding.js';

/** Each missing wall, measured on this machine. */
export function walls(
  environment: Pick<Environment, 'server'>,
  what: string,
  missing: readonly MissingWall[],
): Finding {
  if (missing.length === 0) return { mark: '✓', what, found: 'every wall was tested and holds' };
  const refused = unaccepted(environment, missing).length > 0;
  const advice = refused
    ? 'The server will not start. docs/security.md says what each wall needs; ALLOW_MISSING_WALLS accepts missing ones.'
    : 'docs/security.md says what each wall keeps out and what it needs.';
  return { mark: refused ? '✗' : '!', what, found: `missing: ${missing.map(describeMissing).join('; ')}`, advice };
}

/** A process with `ROLES=validator` depends on nothing but its walls. */
export async function validatorWalls(environment: Environment): Promise<Finding> {
  const what = 'validation walls';
  try {
    const app = await createValidator({ ...environment, metrics: { ...environment.metrics, port: undefined } }, false);
    const finding = walls(environment, what, app.get(ValidatorServer, { strict: false }).missingWalls);
    await app.close();
    return finding;
  } catch (error) {
    return { mark: '✗', what, found: reason(error), advice: 'docs/security.md says what the machine must allow.' };
  }
}
