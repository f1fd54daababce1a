import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { configurationTable } from './configuration-table.js';
import { envExample } from './env-example.js';

const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

it.each([
  ['.env.example', envExample],
  ['docs/configuration.md', configurationTable],
])('keeps %s equal to what the configuration reads (UPDATE_SNAPSHOTS=true writes it)', (path, text) => {
  if (process.env.UPDATE_SNAPSHOTS === 'true') writeFileSync(file(path), text());
  expect(readFileSync(file(path), 'utf8')).toBe(text());
});

it('names the same variables in both', () => {
  const inExample = [...envExample().matchAll(/^# ([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name);
  const inTable = [...configurationTable().matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(([, name]) => name);
  expect(inTable).toEqual(inExample);
  expect(inTable.length).toBeGreaterThan(80);
});
