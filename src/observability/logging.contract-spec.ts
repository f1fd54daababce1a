import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';

it('a line of the log is for people in a terminal, and JSON elsewhere', () => {
  const { href } = new URL('./logging.js', import.meta.url);
  const program = `import('${href}').then(({ startLogging }) => startLogging('log').log('hello', 'Greeter'))`;
  const inTerminal = spawnSync('script', ['-qec', `"${process.execPath}" -e "${program}"`, '/dev/null']);
  expect(inTerminal.stdout.toString()).toMatch(/^\[[\d:]+\] .*INFO.*Greeter: hello/m);
  const elsewhere = spawnSync(process.execPath, ['-e', program]);
  expect(JSON.parse(elsewhere.stdout.toString())).toMatchObject({ level: 'info', context: 'Greeter', msg: 'hello' });
});
