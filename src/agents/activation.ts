import semver from 'semver';

/** Why an uploaded version is not the active one. */
export type Inactivity = 'not_requested' | 'prerelease' | 'not_highest' | 'wider_permissions';

/**
 * Whether an uploaded version becomes active. The upload's `activate` decides if it is set. Otherwise the highest
 * release in service becomes active, or the highest pre-release while there is no release. A version that may do more than
 * the active one does not.
 * @param others versions in service: neither retired nor quarantined
 * @param wider whether its permissions are wider than those of the active version
 * @returns why not, or null
 */
export function inactivityOf(
  version: string,
  others: readonly string[],
  activate?: boolean,
  wider = false,
): Inactivity | null {
  if (activate !== undefined) return activate ? null : 'not_requested';
  const releases = others.filter(isRelease);
  if (releases.length > 0 && !isRelease(version)) return 'prerelease';
  const rivals = isRelease(version) ? releases : others;
  if (rivals.some((rival) => semver.gt(rival, version))) return 'not_highest';
  return wider ? 'wider_permissions' : null;
}

const isRelease = (version: string): boolean => semver.prerelease(version) === null;

/** The message to the uploader of a version that is not active. @param active the active version; null: none */
export function inactivityText(version: string, inactivity: Inactivity, active: string | null): string {
  const bids = active ? `version ${active} stays active` : 'no version is active';
  const todo = `POST …/versions/${version}/activate, or upload with activate=true`;
  return `Version ${version} is stored and ${bids}: ${REASONS[inactivity]} To activate it: ${todo}.`;
}

const REASONS: Record<Inactivity, string> = {
  not_requested: 'the upload said activate=false.',
  prerelease: 'a pre-release does not replace a release by itself.',
  not_highest: 'there is a higher version.',
  wider_permissions: 'it may ask more of the host than the active version.',
};
