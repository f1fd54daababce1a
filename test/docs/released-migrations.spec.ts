import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';

/** SHA-256 of the source of each released migration. Add a line with each release; never change one. */
const RELEASED = {
  '1796200000000-initial.ts': '3a05ddcf3e8328fc8941fbcb6fec8198791f1544544714baf04f7a789ef4fe89',
  '1796300000000-ledger.ts': 'f3f168724548eee2f2eaa44472e688aeb9dfa66cba0e46e94da2b4c3cf97d937',
};

it('released migrations are never edited: a change of the schema is a migration of its own', () => {
  const read = (name: string): Buffer => readFileSync(new URL(`../../../migrations/${name}`, import.meta.url));
  const found = Object.keys(RELEASED).map((name) => [name, createHash('sha256').update(read(name)).digest('hex')]);
  expect(Object.fromEntries(found)).toEqual(RELEASED);
});
