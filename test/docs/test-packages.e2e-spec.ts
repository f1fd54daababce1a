import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const { DEBIAN_PACKAGES } = (await import(`${ROOT}scripts/debian-packages.js`)) as {
  DEBIAN_PACKAGES: Record<string, string>;
};

describe('the Debian packages that the tests need', () => {
  const names = Object.keys(DEBIAN_PACKAGES);

  it('are all that a suite asks for', () => {
    const files = readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const asked = files.flatMap((name) =>
      // The chaos run is not part of `npm test`.
      name.startsWith('chaos')
        ? []
        : [...readFileSync(`${ROOT}test/${name}`, 'utf8').matchAll(/ensureInstalled\(\s*'([^']+)'/g)].map(
            ([, found]) => found,
          ),
    );
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('are named in the README', async () => {
    const [, listed] = /apt-get install -y --no-install-recommends ([^`]+)```/.exec(
      await readFile(`${ROOT}README.md`, 'utf8'),
    )!;
    expect(
      listed
        .split(/[\s\\]+/)
        .filter(Boolean)
        .sort(),
    ).toEqual([...names].sort());
  });

  it('are all named at once before anything else runs, when they are missing and cannot be installed', async () => {
    const root = await mkdtemp(join(tmpdir(), 'zerostate-packages-'));
    try {
      await cp(`${ROOT}scripts`, join(root, 'scripts'), { recursive: true });
      await cp(`${ROOT}package.json`, join(root, 'package.json'));
      await mkdir(join(root, 'node_modules/@nestjs/core'), { recursive: true });
      const list = `export const DEBIAN_PACKAGES = { 'zero-one': '/nowhere/1', there: '/', 'zero-two': '/nowhere/2' };`;
      await writeFile(join(root, 'scripts/debian-packages.js'), list);
      const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/test.js'], {
        cwd: root,
        encoding: 'utf8',
        // Without a PATH there is neither apt-get nor sudo.
        env: { PATH: '/nowhere' },
      });
      expect([status, stdout.includes('▶ lint')]).toEqual([1, false]);
      expect(stderr).toContain('sudo apt-get install -y --no-install-recommends zero-one zero-two\n');
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});
