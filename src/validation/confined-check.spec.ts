import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';

/** Checks garbage, of which each ends its process, before and while there is no descriptor left for another one. */
const OUT_OF_DESCRIPTORS = `
  import { openSync, closeSync } from 'node:fs';
  import { open } from 'node:fs/promises';
  import { ConfinedCheck } from '${new URL('./confined-check.js', import.meta.url).href}';

  const check = await ConfinedCheck.prepare(30_000, 1);
  const garbage = await open('/bin/sh');
  const tell = () => check.run(garbage, 100, {}).then(({ end }) => end, ({ code, name }) => code ?? name);
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
    const few = ['-c', 'ulimit -n 64 && exec "$@"', 'sh'];
    const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', OUT_OF_DESCRIPTORS];
    const { stdout, stderr } = spawnSync('sh', [...few, ...node], { encoding: 'utf8' });
    // The process that was there ahead still answers.
    expect({ stdout, stderr }).toEqual({
      stdout: `${JSON.stringify(['answered', 'answered', 'VALIDATOR_UNAVAILABLE', 'answered'])}\n`,
      stderr: '',
    });
  });
});
