import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import { holdBody } from '../common/request-body.js';
import { isBusy } from './in-turn.js';

/** Where handshakes of WebSockets are taken. */
const HANDSHAKES = '/socket.io/';

export const isHandshake = ({ url = '' }: IncomingMessage): boolean => url.startsWith(HANDSHAKES);

/** Of one request. */
const MOST_HEADERS = 100;

/**
 * Whether some of a request's headers may be missing: Node.js passes over those beyond its limit in silence. The last ones are
 * those of proxies, and without them what a client says of its address would be believed.
 */
export const lacksHeaders = ({ rawHeaders }: IncomingMessage): boolean => rawHeaders.length > 2 * MOST_HEADERS;

/** Middleware, to stand before everybody who looks at headers. */
export function refuseManyHeaders(request: Request, response: Response, next: NextFunction): void {
  if (!lacksHeaders(request)) return next();
  response.setHeader('Connection', 'close');
  next(new AppError('too_many_headers', 'HEADERS_TOO_LARGE', `A request has at most ${MOST_HEADERS} headers.`));
}

/** Connections whose last request was framed so that nothing after it can be trusted. */
const faulty = new WeakSet<Socket>();

/**
 * Answers an HTTP/1.0 request with `Transfer-Encoding`, then closes its connection (RFC 9112, section 6.1): a proxy may have
 * read another end of its body. What comes after it on the connection is neither carried out nor answered.
 */
export function endFaultyFraming(request: Request, response: Response, next: NextFunction): void {
  if (faulty.has(request.socket)) return;
  if (request.httpVersion === '1.0' && request.headers['transfer-encoding'] !== undefined) {
    faulty.add(request.socket);
    response.setHeader('Connection', 'close');
  }
  next();
}

/**
 * Has every request but a handshake come by the middleware, with its limits and its headers. Left to themselves, Node.js answers
 * one with an `Expect` that it does not know, Express one whose target has no path, and nobody one that would rather go on in
 * another protocol, as Java's HTTP client does.
 * @param server before any other listener is added
 */
export function admitEveryRequest(server: Server): void {
  server.maxHeadersCount = MOST_HEADERS + 1;
  const [carry] = server.listeners('connection') as ((socket: Socket) => void)[];
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    holdBody(request, response);
    server.emit('request', request, response);
  });
  server.prependListener('request', (request: IncomingMessage) => {
    // The absolute form (RFC 9112, section 3.2.2) as the usual one.
    request.url = request.url?.replace(/^[a-z][\w+.-]*:\/\/[^/?#]*\/?/i, '/');
  });
  server.on('upgrade', (request: IncomingMessage, _socket: unknown, head: Buffer) => {
    if (isHandshake(request)) return;
    const { socket } = request;
    // Node.js has let go of the connection, and of answers that were still to be sent on it.
    if (isBusy(socket) || lacksHeaders(request)) return void socket.destroy();
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), 'latin1'), head]));
    carry.call(server, socket);
  });
}

/** The same request but for its wish to go on in another protocol, which may be ignored (RFC 9110, section 7.8). */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index].toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
