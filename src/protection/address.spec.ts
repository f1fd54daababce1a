import { describe, expect, it } from '@jest/globals';
import { addressKey, networkKey, soundAddress } from './address.js';

describe('the address that a proxy names', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['fe80::7%eth0', 'fe80::7'],
    ['2001:0DB8:0001:0000:0000:0000:0000:0007', '2001:db8:1::7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ["'; DROP TABLE audit_log; --", '192.0.2.1'],
    ['unknown', '192.0.2.1'],
    ['9'.repeat(100), '192.0.2.1'],
    [undefined, '192.0.2.1'],
  ])('as %s is %s', (named, address) => expect(soundAddress(named, { remoteAddress: '192.0.2.1' })).toBe(address));

  it('is one of IPv4 also where that comes as a part of IPv6', () =>
    expect(soundAddress(undefined, { remoteAddress: '::ffff:192.0.2.1' })).toBe('192.0.2.1'));
});

describe('the key of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('of %s is %s', (address, key) => expect(addressKey(address)).toBe(key));
});

it.each([
  ['203.0.113.7', '203.0.113.0/24'],
  ['::ffff:203.0.113.7', '203.0.113.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
  ['2001:db8::1', '2001:db8:0::/48'],
  ['', ''],
])('counts the surroundings of %j under %j', (address, key) => {
  expect(networkKey(address)).toBe(key);
});
