import { isIP } from 'node:net';

/** Top-level names that never lead to a public host: RFC 6761, RFC 6762, RFC 8375 and names that are common inside networks. */
const PRIVATE_ENDINGS =
  /(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|invalid|test|example|onion|home\.arpa|arpa)$/;

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/**
 * Whether `host` is the lower-case name of a host that can be public: letters, digits and "-" in labels, two labels at
 * least, no address, no wildcard, no trailing dot. What the name resolves to is judged when a connection is made.
 */
export function isPublicHostName(host: unknown): host is string {
  if (typeof host !== 'string' || host.length > 253 || isIP(host) !== 0) return false;
  const labels = host.split('.');
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return false;
  // Numbers at the end make an address in some notations: 127.1, 0x7f.1.
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) return false;
  return !PRIVATE_ENDINGS.test(host);
}
