import { describe, expect, it } from '@jest/globals';
import { isPublicAddress } from './public-address.js';

describe('a public address', () => {
  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '93.184.216.34',
    '2606:4700:4700::1111',
    '2a00:1450:4001::200e',
    '2001:4860:4860::8888',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    // IPv4: this network, private, shared, loopback, link-local, special, documentation, multicast, reserved.
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.127.255.254', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.254', '192.0.0.8', '192.0.0.170', '192.0.2.1', '192.31.196.1'],
    ...['192.52.193.1', '192.88.99.1', '192.168.1.1', '192.175.48.1', '198.18.0.1', '198.19.255.254'],
    ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255'],
    // IPv6: unspecified, loopback, compatible, mapped, translated.
    ...[
      '::',
      '::1',
      '::127.0.0.1',
      '::8.8.8.8',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::ffff:a00:1',
      '::ffff:0:7f00:1',
    ],
    // NAT64, discard, Teredo, benchmarking, ORCHID, documentation, 6to4, SRv6.
    ...['64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::1', '100::1', '2001::1', '2001:0:53aa:64c:0:fffe:8080:8080'],
    ...['2001:2::1', '2001:10::1', '2001:20::1', '2001:30::1', '2001:db8::1', '2002:7f00:1::', '2002:808:808::1'],
    ...['3fff::1', '5f00::1', '2620:4f:8000::1'],
    // Local, link-local, site-local, multicast, unassigned.
    ...['fc00::1', 'fd00:ec2::254', 'fe80::1', 'fec0::1', 'ff02::1', '4000::1', 'e000::1'],
    // No addresses, or not in the usual notation.
    ...[
      'fe80::1%eth0',
      '2606:4700::1%eth0',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '8.8.8.010',
      '8.8.8',
      '',
    ],
  ])('is not %s', (address) => expect(isPublicAddress(address)).toBe(false));
});
