import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../../src/config/environment.js';
import { ensureInstalled } from '../support/apt.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const UNIT = `${ROOT}deploy/systemd/zerostate.service`;
const VALIDATOR = `${ROOT}deploy/systemd/zerostate-validator.service`;
const ANALYZE = '/usr/bin/systemd-analyze';

describe('the systemd unit', () => {
  it.each(['zerostate', 'zerostate-validator'])('%s is one that systemd takes without a word', async (name) => {
    ensureInstalled('systemd', () => existsSync(ANALYZE), '--no-install-recommends');
    const folder = await mkdtemp(join(tmpdir(), 'zerostate-unit-'));
    try {
      const unit = join(folder, `${name}.service`);
      // What it names is not installed on a machine that tests it.
      await writeFile(
        unit,
        (await readFile(name === 'zerostate' ? UNIT : VALIDATOR, 'utf8')).replace('/usr/bin/node', process.execPath),
      );
      const { status, stderr } = spawnSync(ANALYZE, ['verify', '--man=no', unit], { encoding: 'utf8' });
      const ours = stderr.split('\n').filter((line) => line.includes('zerostate'));
      expect([status, ours]).toEqual([0, []]);
      await writeFile(unit, `${await readFile(unit, 'utf8')}\nUnknown=1\n`);
      expect(spawnSync(ANALYZE, ['verify', '--man=no', unit], { encoding: 'utf8' }).stderr).toContain('Unknown');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('starts what the build makes, and kills it later than it drains by default', async () => {
    const text = await readFile(UNIT, 'utf8');
    const [, main] = /^ExecStart=\/usr\/bin\/node --enable-source-maps (\S+)$/m.exec(text)!;
    // The tests run without a build of the server, but theirs bundles the same programs.
    const { compilerOptions } = JSON.parse(await readFile(`${ROOT}tsconfig.build.json`, 'utf8'));
    const [folder, ...path] = main.split('/');
    expect(folder).toBe(compilerOptions.outDir);
    expect(existsSync(`${ROOT}dist-test/${path.join('/')}`)).toBe(true);
    const { server, queue } = parseEnvironment({});
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(text)!;
    expect(Number(seconds) * 1000).toBeGreaterThan(server.shutdownDelayMs + queue.shutdownGraceMs);
    // These would take down walls that the server puts around agents and checks.
    const forbidden = /^(RestrictNamespaces|ProtectKernelTunables|ProtectProc|SystemCallFilter)=/gm;
    expect(text.match(forbidden)).toBeNull();
    expect((await readFile(VALIDATOR, 'utf8')).match(forbidden)).toBeNull();
  });

  it('of the validator is given no file of secrets, and variables that the server takes', async () => {
    const text = await readFile(VALIDATOR, 'utf8');
    expect(text).not.toMatch(/^EnvironmentFile=/m);
    const given = [...text.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line]) => line.split(' '));
    const { server, validation } = parseEnvironment(Object.fromEntries(given.map((pair) => pair.split(/=(.*)/))));
    expect(server).toMatchObject({ roles: ['validator'], production: true, allowMissingWalls: ['user'] });
    expect(validation.validator).toEqual({ url: 'unix:///run/zerostate-validator/socket', secret: undefined });
    expect(text).toMatch(/^RuntimeDirectory=zerostate-validator$/m);
  });
});
