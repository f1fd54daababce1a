import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { isBusy } from './in-turn.js';

/** Where handshakes of WebSockets are taken. */
const HANDSHAKES = '/socket.io/';

export const isHandshake = ({ url = '' }: IncomingMessage): boolean => url.startsWith(HANDSHAKES);

/**
 * Has every request but a handshake come by the middleware, with its limits and its headers. Left to themselves, Node.js answers
 * one with an `Expect` that it does not know, Express one whose target has no path, and nobody one that would rather go on in
 * another protocol, as Java's HTTP client does.
 * @param server nobody else has a hold on yet
 */
export function admitEveryRequest(server: Server): void {
  const [carry] = server.listeners('connection') as ((socket: Socket) => void)[];
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.prependListener('request', (request: IncomingMessage) => {
    // The absolute form (RFC 9112, section 3.2.2) as the usual one.
    request.url = request.url?.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*\/?/i, '/');
  });
  server.on('upgrade', (request: IncomingMessage, _socket: unknown, head: Buffer) => {
    if (isHandshake(request)) return;
    const { socket } = request;
    const text = withoutUpgrade(request, server.maxHeadersCount ?? 0);
    // Node.js has let go of the connection, and of answers that were still to be sent on it.
    if (text === undefined || isBusy(socket)) return void socket.destroy();
    socket.unshift(Buffer.concat([Buffer.from(text, 'latin1'), head]));
    carry.call(server, socket);
  });
}

/**
 * The same request but for its wish to go on in another protocol, which may be ignored (RFC 9110, section 7.8).
 * @returns undefined for one with so many headers that some are missing here, and maybe with them where its body ends
 */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage, most: number): string | undefined {
  if (rawHeaders.length >= 2 * most) return undefined;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index].toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
