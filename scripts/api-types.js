import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { changedAt } from './changed-at.js';
import { ROOT } from './preflight.js';

/** Writes the types of requests and answers from `docs/openapi.json`, unless the file is up to date. */
export async function writeApiTypes(file) {
  const document = join(ROOT, 'docs/openapi.json');
  if (changedAt(file) > Math.max(changedAt(document), changedAt(fileURLToPath(import.meta.url)))) return;
  const { default: openapi, astToString } = await import('openapi-typescript');
  const text = astToString(await openapi(JSON.parse(readFileSync(document, 'utf8'))));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `/** Generated from docs/openapi.json by scripts/api-types.js. */\n${text}`);
}
