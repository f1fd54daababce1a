import { describe, expect, it } from '@jest/globals';
import { assertSameOrigin, tokenOf } from './browser-session.js';

const accepts = (headers: Record<string, string>): boolean => {
  try {
    assertSameOrigin({ headers });
    return true;
  } catch {
    return false;
  }
};

describe('a request that uses the session cookie', () => {
  it('is accepted from pages of this server', () => {
    expect(accepts({ host: 'market.test', 'sec-fetch-site': 'same-origin' })).toBe(true);
    expect(accepts({ host: '10.0.0.5:8080', origin: 'http://10.0.0.5:8080' })).toBe(true);
  });

  it('is refused from other sites, sibling hosts, other ports and programs', () => {
    const refused: Record<string, string>[] = [
      { host: 'market.test', 'sec-fetch-site': 'cross-site', origin: 'https://market.test' },
      { host: 'market.test', 'sec-fetch-site': 'same-site' },
      { host: 'market.test', 'sec-fetch-site': 'none' },
      { host: '10.0.0.5:8080', origin: 'http://10.0.0.5:9090' },
      { host: 'market.test', origin: 'null' },
      { host: 'market.test' },
      {},
    ];
    expect(refused.filter(accepts)).toEqual([]);
  });

  it('is read from among other cookies by its whole name', () => {
    expect(tokenOf({ headers: { cookie: 'a=1; zerostate_session=zsr_x.0.y-_; b=2' } })).toBe('zsr_x.0.y-_');
    expect(tokenOf({ headers: { cookie: 'not_zerostate_session=zsr_x' } })).toBe('');
    expect(tokenOf({ headers: {} })).toBe('');
  });
});
