import type { INestApplication } from '@nestjs/common';
import type { Request, Response } from 'express';
import { VERSION } from '../common/version.js';
import { type ConsoleFiles, wantsPage } from './console.js';

/** Relative, so that they also work below a proxy's prefix. */
const LINKS = {
  documentation: 'docs',
  openapi: 'docs-json',
  api: 'api/v1',
  live: 'health/live',
  ready: 'health/ready',
};

/** Answers `GET /`: the console to browsers, and to programs where to continue. */
export function serveLanding(app: INestApplication, files: ConsoleFiles | undefined): void {
  app.getHttpAdapter().get('/', (request: Request, response: Response) => {
    response.vary('Accept');
    if (files && wantsPage(request)) files.sendPage(request, response);
    else response.json({ name: 'ZeroState', version: VERSION, links: LINKS });
  });
}
