import { describe, expect, it } from '@jest/globals';
import { inactivityOf } from './activation.js';

describe('an uploaded version', () => {
  it.each([
    ['the first one', '1.0.0', [], null],
    ['a first one that is a pre-release', '1.0.0-beta.1', [], null],
    ['a higher pre-release, while there is no release', '1.0.0-beta.2', ['1.0.0-beta.1'], null],
    ['a lower pre-release', '1.0.0-alpha.9', ['1.0.0-beta.1'], 'not_highest'],
    ['the first release', '1.0.0', ['2.0.0-beta.1'], null],
    ['a higher release', '1.10.0', ['1.9.0', '2.0.0-beta.1'], null],
    ['a lower release', '0.9.0', ['1.0.0'], 'not_highest'],
    ['a pre-release of the next one', '2.0.0-beta.1', ['1.0.0'], 'prerelease'],
  ] as const)('becomes the active one if it is %s, or says why not', (_, version, others, expected) => {
    expect(inactivityOf(version, others)).toBe(expected);
  });

  it('becomes the active one as the upload says, whatever its number', () => {
    expect(inactivityOf('0.9.0-beta.1', ['1.0.0'], true)).toBeNull();
    expect(inactivityOf('2.0.0', ['1.0.0'], false)).toBe('not_requested');
    expect(inactivityOf('1.0.0', [], false)).toBe('not_requested');
  });
});
