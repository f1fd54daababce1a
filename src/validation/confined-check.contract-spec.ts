import { describe, expect, it, jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnvironment } from '../config/index.js';
import { CheckingProcess } from './checking-process.js';
import { ConfinedCheck } from './confined-check.js';
import { moduleLimits } from './module-limits.js';

const EMPTY_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** Checks garbage, of which each ends its process, before and while there is no descriptor left for another one. */
const OUT_OF_DESCRIPTORS = `
  import { openSync, closeSync } from 'node:fs';
  import { open } from 'node:fs/promises';
  import { ConfinedCheck } from '${new URL('./confined-check.js', import.meta.url).href}';

  const check = await ConfinedCheck.prepare(30_000, 1);
  const garbage = await open('/bin/sh');
  const tell = () => check.run(garbage, 100, {}, 'owner').then(({ end }) => end, ({ code, name }) => code ?? name);
  const told = [await tell()];
  const taken = [];
  try { for (;;) taken.push(openSync('/dev/null')); } catch {}
  told.push(await tell(), await tell());
  for (const descriptor of taken) closeSync(descriptor);
  told.push(await tell());
  await check.release();
  console.log(JSON.stringify(told));
`;

describe('the confined check', () => {
  it('says that binaries cannot be validated now while no process can be started, and goes on afterwards', () => {
    const few = ['-c', 'ulimit -n 512 && exec "$@"', 'sh'];
    const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', OUT_OF_DESCRIPTORS];
    const { stdout, stderr } = spawnSync('sh', [...few, ...node], { encoding: 'utf8' });
    // The process that was there ahead still answers.
    expect({ stdout, stderr }).toEqual({
      stdout: `${JSON.stringify(['answered', 'answered', 'VALIDATOR_UNAVAILABLE', 'answered'])}\n`,
      stderr: '',
    });
  });

  it('gives the modules of one owner to one process, and those of two owners never', async () => {
    const check = await ConfinedCheck.prepare(30_000, 1);
    const checks = jest.spyOn(CheckingProcess.prototype, 'check');
    const path = join(await mkdtemp(join(tmpdir(), 'owners-')), 'empty.wasm');
    await writeFile(path, EMPTY_MODULE);
    const binary = await open(path);
    const limits = moduleLimits(parseEnvironment({}).validation);
    try {
      for (const owner of ['ada', 'ada', 'bob', 'ada']) await check.run(binary, EMPTY_MODULE.length, limits, owner);
      const [ada, again, bob, later] = checks.mock.contexts;
      expect([again === ada, bob === ada, later === ada]).toEqual([true, false, true]);
      await Promise.all(['cleo', 'dan'].map((owner) => check.run(binary, EMPTY_MODULE.length, limits, owner)));
      const [cleo, dan] = checks.mock.contexts.slice(-2);
      expect(new Set([ada, bob, cleo, dan]).size).toBe(4);
    } finally {
      checks.mockRestore();
      await binary.close();
      await check.release();
      await rm(dirname(path), { recursive: true });
    }
  });
});
