import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { INestApplication } from '@nestjs/common';
import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../common/app-error.js';

/** What `scripts/build.js` makes of `console/`. Absent under `npm run dev`, where Vite serves the console. */
const FOLDER = fileURLToPath(new URL('../../public', import.meta.url));

/** Paths of the server itself: none of them, and nothing below them, is a page of the console. */
const RESERVED = ['api', 'docs', 'docs-json', 'docs-yaml', 'health', 'metrics', 'socket.io', 'mcp', 'a2a', 'assets'];

/**
 * No script, style, font, image or connection of another host, no inline script, no page of others around it, and no
 * text that becomes HTML. `data:` is for the images that Vite inlines.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

interface Asset {
  type: string;
  plain: Buffer;
  /** By `Content-Encoding`, as the build compressed it. Fonts have none. */
  encoded: { br?: Buffer; gzip?: Buffer };
}

/** @returns whether this build has a console */
export const hasConsole = (): boolean => existsSync(join(FOLDER, 'index.html'));

/** The console of this build: its page, and its assets under hashed names. */
export class ConsoleFiles {
  private constructor(
    private readonly page: Asset,
    private readonly assets: ReadonlyMap<string, Asset>,
  ) {}

  /** @returns undefined when this build has no console */
  static load(): ConsoleFiles | undefined {
    if (!hasConsole()) return undefined;
    const names = readdirSync(join(FOLDER, 'assets')).filter((name) => extname(name) in TYPES);
    const assets = names.map((name): [string, Asset] => [name, read(join('assets', name), TYPES[extname(name)])]);
    return new ConsoleFiles(read('index.html', 'text/html; charset=utf-8'), new Map(assets));
  }

  /** Serves the assets. A name changes with its content, so browsers may keep it for ever. */
  serveAssets(app: INestApplication): void {
    app.getHttpAdapter().get('/assets/:name', (request: Request, response: Response) => {
      const asset = this.assets.get(String(request.params.name));
      if (!asset) throw new AppError('not_found', 'NO_SUCH_ROUTE', `There is no file ${request.path}.`);
      response.setHeader('Cache-Control', 'public, max-age=31536000, immutable');
      send(asset, request, response);
    });
  }

  sendPage(request: Request, response: Response): void {
    response.setHeader('Content-Security-Policy', POLICY);
    response.setHeader('Cache-Control', 'no-cache');
    send(this.page, request, response);
  }

  /** Answers addresses of the console's pages, which its router reads, to browsers that open them. */
  deepLinks(): RequestHandler {
    return (request, response, next) => {
      if (!['GET', 'HEAD'].includes(request.method) || !isPage(request.path) || !wantsPage(request)) return next();
      this.sendPage(request, response);
    };
  }
}

/** @returns whether a browser opens the address, rather than a program or a page's own request */
export function wantsPage(request: Pick<Request, 'accepts'>): boolean {
  return request.accepts(['json', 'html']) === 'html';
}

/** @returns whether an address may be a page of the console. Files have an extension, and `/.well-known` a dot */
export function isPage(path: string): boolean {
  const [, first, ...rest] = path.split('/');
  return !RESERVED.includes(first) && !`${first}/${rest.at(-1) ?? ''}`.includes('.') && path !== '/admin/queues';
}

function read(path: string, type: string): Asset {
  const plain = readFileSync(join(FOLDER, path));
  return { type, plain, encoded: { br: readIfThere(`${path}.br`), gzip: readIfThere(`${path}.gz`) } };
}

function readIfThere(path: string): Buffer | undefined {
  return existsSync(join(FOLDER, path)) ? readFileSync(join(FOLDER, path)) : undefined;
}

function send({ type, plain, encoded }: Asset, request: Request, response: Response): void {
  const encoding = request.acceptsEncodings(['br', 'gzip']) as 'br' | 'gzip' | false;
  const packed = encoding && encoded[encoding];
  response.vary('Accept-Encoding');
  response.type(type);
  if (packed) response.setHeader('Content-Encoding', encoding);
  response.send(packed || plain);
}
