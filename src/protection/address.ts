import { isIP, isIPv4, isIPv6, SocketAddress, type Socket } from 'node:net';

/**
 * Where a request comes from.
 * @param named what a trusted proxy says; some write a port behind it, and one may pass on whatever its client wrote
 * @returns that address, or the connection's own where it is none
 */
export function soundAddress(named: string | undefined, { remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): string {
  const address = named?.replace(/^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$/, '$1$2').replace(/%.*$/, '');
  const sound = address && isIP(address) ? oneSpelling(address) : remoteAddress;
  // A socket that listens on IPv6 reports IPv4 addresses inside IPv6 ones.
  return sound.replace(/^::ffff:(?=[\d.]+$)/i, '');
}

/** An IPv6 address has many spellings, and each would be counted apart. */
const oneSpelling = (address: string): string =>
  isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;

/** What one sender's requests are counted under: its address, or of IPv6 the /64 that a single customer is given. */
export function addressKey(address = ''): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address);
  if (mapped) return mapped[1];
  if (!isIPv6(address)) return address;
  const [head, tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const rest = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - rest.length }, () => '0');
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(':')}::/64`;
}

/** What the surroundings of a sender are counted under: of IPv6 the /48 that a site is given, of IPv4 the /24. */
export function networkKey(address = ''): string {
  const key = addressKey(address);
  if (isIPv4(key)) return `${key.split('.').slice(0, 3).join('.')}.0/24`;
  return key.endsWith('::/64') ? `${key.split(':').slice(0, 3).join(':')}::/48` : key;
}
