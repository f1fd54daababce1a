/** Where a service listens: a socket in the file system, or a TCP port. */
export type SocketAddress = { path: string } | { host: string; port: number };

/**
 * @param url `unix:///path` or `tcp://host:port`
 * @param defaultPort for a `tcp:` URL without a port
 */
export function socketAddress(url: string, defaultPort: number): SocketAddress {
  const { protocol, pathname, hostname, port } = new URL(url);
  if (protocol === 'unix:') return { path: decodeURIComponent(pathname) };
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || defaultPort) };
}
