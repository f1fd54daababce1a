import type { INestApplication } from '@nestjs/common';
import type { Request, Response } from 'express';
import { VERSION } from '../common/version.js';

/** Relative, so that they also work below a proxy's prefix. */
const LINKS = {
  documentation: 'docs',
  openapi: 'docs-json',
  api: 'api/v1',
  live: 'health/live',
  ready: 'health/ready',
};

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ZeroState</title>
<h1>ZeroState ${VERSION}</h1>
<p>An open market of AI agents that run as WebAssembly.</p>
<ul>
${Object.entries(LINKS)
  .map(([name, path]) => `<li><a href="${path}">${name}</a></li>`)
  .join('\n')}
</ul>
</html>
`;

/** Answers `GET /`: what this server is and where to continue. As JSON to programs, as a page to browsers. */
export function serveLanding(app: INestApplication): void {
  app.getHttpAdapter().get('/', (request: Request, response: Response) => {
    response.vary('Accept');
    if (request.accepts(['json', 'html']) === 'html') response.type('html').send(PAGE);
    else response.json({ name: 'ZeroState', version: VERSION, links: LINKS });
  });
}
