import semver from 'semver';

/** Why an uploaded version is not the active one. */
export type Inactivity = 'not_requested' | 'prerelease' | 'not_highest';

/**
 * Whether an uploaded version becomes the active one. `activate` decides where the upload names it. Otherwise the highest
 * release in service is to bid; while there is no release, the highest pre-release.
 * @param others versions in service: neither retired nor quarantined
 * @returns why not, or null
 */
export function inactivityOf(version: string, others: readonly string[], activate?: boolean): Inactivity | null {
  if (activate !== undefined) return activate ? null : 'not_requested';
  const releases = others.filter(isRelease);
  if (releases.length > 0 && !isRelease(version)) return 'prerelease';
  const rivals = isRelease(version) ? releases : others;
  return rivals.some((rival) => semver.gt(rival, version)) ? 'not_highest' : null;
}

const isRelease = (version: string): boolean => semver.prerelease(version) === null;

/** What the uploader reads of a version that is not the active one. @param active the version that is; null: none */
export function inactivityText(version: string, inactivity: Inactivity, active: string | null): string {
  const bids = active ? `version ${active} stays active` : 'no version is active';
  const todo = `POST …/versions/${version}/activate, or upload with activate=true`;
  return `Version ${version} is stored and ${bids}: ${REASONS[inactivity]} To activate it: ${todo}.`;
}

const REASONS: Record<Inactivity, string> = {
  not_requested: 'the upload said activate=false.',
  prerelease: 'a pre-release does not replace a release by itself.',
  not_highest: 'there is a higher version.',
};
