import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { envExample } from './env-example.js';

const FILE = fileURLToPath(new URL('../../../.env.example', import.meta.url));

it('keeps .env.example equal to what the configuration reads (UPDATE_SNAPSHOTS=true writes it)', () => {
  if (process.env.UPDATE_SNAPSHOTS === 'true') writeFileSync(FILE, envExample());
  expect(readFileSync(FILE, 'utf8')).toBe(envExample());
});
