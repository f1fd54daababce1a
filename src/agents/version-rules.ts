import { isDeepStrictEqual } from 'node:util';
import semver from 'semver';
import type { Permissions } from '../common/permissions.dto.js';
import { AppError } from '../common/app-error.js';
import { sameSchema } from '../contracts/index.js';
import type { AgentBinary, ScanVerdict, VersionLimits } from './agent-binary.entity.js';
import type { Agent } from './agent.entity.js';

/** Which numbers a new version may have, when an upload equals an existing version, and how refusals are worded. */

export type Numbered = Pick<
  AgentBinary,
  'id' | 'version' | 'sha256' | 'limits' | 'permissions' | 'retiredAt' | 'scan' | 'inputSchema' | 'outputSchema'
>;
export const NUMBERS = {
  id: true,
  version: true,
  sha256: true,
  limits: true,
  permissions: true,
  retiredAt: true,
  scan: true,
  inputSchema: true,
  outputSchema: true,
} as const;

/** What distinguishes an upload from an existing version. What it does not name stays as it is. */
export interface Identity {
  version?: string;
  sha256: string;
  limits?: VersionLimits;
  permissions?: Permissions;
  inputSchema?: object;
  outputSchema?: object;
}

/**
 * The existing version that equals an upload. Replacing the active version by its own bytes changes nothing, whatever
 * the next number would be.
 * @throws AppError `conflict` if the named number cannot be used again
 */
export function sameVersion(
  agent: Agent,
  existing: readonly Numbered[],
  upload: Identity,
  replacing: boolean,
): Numbered | undefined {
  const { version, sha256, limits } = upload;
  if (version === undefined) {
    const active = existing.find((it) => replacing && it.id === agent.activeBinaryId && it.sha256 === sha256);
    return active && isLike(active, upload) ? active : undefined;
  }
  const same = existing.find((it) => it.version === version);
  if (same?.retiredAt) throw gone('conflict', same);
  if (same && same.sha256 !== sha256) {
    throw taken(version, 'bytes');
  }
  if (same && !isSame(same.limits, limits)) throw taken(version, 'limits');
  if (same && !isSame(same.permissions, upload.permissions)) throw taken(version, 'permissions');
  if (same && !hasSchemasOf(same, upload)) throw taken(version, 'schemas');
  return same;
}

const taken = (version: string, what: string): AppError =>
  new AppError('conflict', 'VERSION_TAKEN', `Version ${version} exists with other ${what}: choose a higher one.`);

const isLike = (stored: Numbered, upload: Identity): boolean =>
  isSame(stored.limits, upload.limits) &&
  isSame(stored.permissions, upload.permissions) &&
  hasSchemasOf(stored, upload);

const hasSchemasOf = (stored: Numbered, { inputSchema, outputSchema }: Identity): boolean =>
  (inputSchema === undefined || sameSchema(stored.inputSchema, inputSchema)) &&
  (outputSchema === undefined || sameSchema(stored.outputSchema, outputSchema));

/** As JSON, because a form's objects have classes. */
const isSame = (stored: object | null, named: object | undefined): boolean =>
  named === undefined || isDeepStrictEqual(plain(stored ?? {}), plain(named));

const plain = (value: object): unknown => JSON.parse(JSON.stringify(value));

/** The patch after the highest version. @throws AppError `conflict` if no number follows */
export function nextVersion(existing: readonly Numbered[]): string {
  const [highest] = semver.rsort(existing.map(({ version }) => version));
  const next = highest ? semver.valid(semver.inc(highest, 'patch')) : '1.0.0';
  if (next) return next;
  throw new AppError(
    'conflict',
    'VERSION_TAKEN',
    `There is no patch number after version ${highest}: give a higher version.`,
  );
}

/** @throws AppError `not_found` `NO_ACTIVE_VERSION` */
export function assertActive(agent: Agent): void {
  if (agent.activeBinaryId) return;
  const message = 'The agent has no active version: upload one with POST, or activate an existing one.';
  throw new AppError('not_found', 'NO_ACTIVE_VERSION', message);
}

export const gone = (kind: 'not_found' | 'conflict', { version }: Numbered): AppError =>
  new AppError(kind, 'VERSION_RETIRED', `Version ${version} was retired for good: upload its successor.`);

export const quarantined = ({ version }: Numbered, { signature }: ScanVerdict): AppError =>
  new AppError(
    'conflict',
    'VERSION_QUARANTINED',
    `The virus scanner found ${signature} in version ${version}: upload a clean successor.`,
  );

/** Cleanup removed the bytes of an upload that took too long. */
export const stalled = (): AppError =>
  new AppError(
    'unavailable',
    'UPLOAD_STALLED',
    'The upload took too long, and its bytes were cleaned up: send it again.',
  );
