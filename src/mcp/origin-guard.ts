import type { NextFunction, Request, Response } from 'express';
import { AppError } from '../common/app-error.js';
import type { McpConfig } from '../config/index.js';

/** Path of the endpoint, and of the document that describes it (RFC 9728). */
export const MCP_PATH = '/mcp';
export const METADATA_PATH = `/.well-known/oauth-protected-resource${MCP_PATH}`;

/**
 * Keeps web pages out that the operator does not know, also when a hostile DNS name points to this machine. And makes
 * each 401 of the endpoint name the document that says how to authenticate.
 *
 * - A page sends `Origin`: it must be one of `CORS_ORIGINS`, that of `MCP_URL`, or a page of this machine.
 * - A connection from this machine to itself must name this machine, or the host of `MCP_URL`.
 */
export function guardMcp(config: McpConfig): (request: Request, response: Response, next: NextFunction) => void {
  const origins = new Set([...config.origins, ...(config.url ? [config.url.origin] : [])]);
  return (request, response, next) => {
    const host = hostOf(request.headers.host);
    if (host === undefined) return next(refused('The Host header is missing or is not a host.'));
    const { origin } = request.headers;
    if (
      origin !== undefined &&
      !origins.has(origin) &&
      !isLocal(URL.canParse(origin) ? new URL(origin).hostname : '')
    ) {
      return next(refused('Pages of this origin may not call this server. An operator can add it to CORS_ORIGINS.'));
    }
    const isFromHere = LOOPBACK.test(request.ip ?? '') && LOOPBACK.test(request.socket.localAddress ?? '');
    if (isFromHere && !isLocal(host.hostname) && host.hostname !== config.url?.hostname) {
      return next(refused('The Host header does not name this server. An operator can set MCP_URL to its address.'));
    }
    response.locals.challenge = `resource_metadata="${new URL(METADATA_PATH, resourceOf(config, request)).href}"`;
    next();
  };
}

/** The endpoint's address: as configured, or as this client names it. */
export function resourceOf({ url }: Pick<McpConfig, 'url'>, request: Request): URL {
  if (url) return url;
  const host = hostOf(request.headers.host)?.host ?? 'localhost';
  return new URL(MCP_PATH, `${request.protocol === 'https' ? 'https' : 'http'}://${host}`);
}

/** Letters, digits and the marks of ports and IPv6 addresses: nothing that could end a header's quoted string. */
function hostOf(header: string | undefined): URL | undefined {
  if (header === undefined || !/^[\w.:[\]-]{1,255}$/.test(header) || !URL.canParse(`http://${header}`))
    return undefined;
  return new URL(`http://${header}`);
}

const LOOPBACK = /^(::ffff:)?127\.|^::1$/;
const isLocal = (hostname: string): boolean =>
  ['localhost', '[::1]'].includes(hostname) || /^127\.[\d.]+$/.test(hostname);

const refused = (detail: string): AppError => new AppError('forbidden', 'ORIGIN_REFUSED', detail);
