import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { REFUSALS } from './refusals.js';

const FILE = fileURLToPath(new URL('../../../docs/validation.md', import.meta.url));
const LIST = /(<!-- refusals -->\n)[^]*(?=<!-- end -->)/;

it('keeps the list of docs/validation.md equal to the codes there are (UPDATE_SNAPSHOTS=true writes it)', () => {
  const rows = Object.entries(REFUSALS).map(([code, sentence]) => `- \`${code}\`: ${sentence}`);
  const page = readFileSync(FILE, 'utf8');
  const expected = page.replace(LIST, (_, marker: string) => `${marker}\n${rows.join('\n')}\n\n`);
  if (process.env.UPDATE_SNAPSHOTS === 'true') writeFileSync(FILE, expected);
  expect(readFileSync(FILE, 'utf8')).toBe(expected);
  expect(page).toMatch(LIST);
});
