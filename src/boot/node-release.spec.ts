import { describe, expect, it } from '@jest/globals';
import { endOfLife } from './node-release.js';

describe('the release line of Node.js', () => {
  it('is named as a risk from the day after its last security fixes', () => {
    expect(endOfLife('20.20.2', new Date('2026-04-30T12:00:00Z'))).toBeUndefined();
    expect(endOfLife('20.20.2', new Date('2026-05-01T12:00:00Z'))).toMatch(
      /^Node\.js 20 has had no security fixes since 2026-04-30\..* Node\.js 24\.$/,
    );
  });

  it('is no risk while it is kept, nor when it is newer than this release of ZeroState', () => {
    const now = new Date('2026-12-01T00:00:00Z');
    expect(['24.0.0', '22.22.0', '30.1.0'].map((version) => endOfLife(version, now))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
