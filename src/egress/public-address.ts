import ipaddr from 'ipaddr.js';

/**
 * Whether an address is global unicast, which means that it belongs to a host on the public internet. Every range of the
 * IANA special-purpose registries is refused: private and shared networks, loopback, link-local, documentation, and
 * the IPv6 ranges that wrap an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64).
 * @param address IPv4 in four decimal parts, or IPv6 without a zone; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).range() === 'unicast';
  if (!ipaddr.IPv6.isValid(address) || address.includes('%')) return false;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.range() === 'unicast' && parsed.match(GLOBAL, 3);
}

/** 2000::/3, the only part of IPv6 from which global unicast addresses are given out. */
const GLOBAL = ipaddr.IPv6.parse('2000::');

/** The IPv4 address inside an IPv4-mapped one, as sockets with both protocols report it; any other stays as it is. */
export const unmapped = (address: string): string =>
  address.includes(':') && ipaddr.IPv6.isValid(address) ? ipaddr.process(address).toString() : address;
