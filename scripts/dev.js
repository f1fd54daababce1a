/**
 * Runs the server from the sources for developers: compiles on each change, and restarts it when there are no errors.
 * A debugger can attach to port 9229. Logs are for people when standard output is a terminal. Vite serves the console with
 * hot reload on port 5173, and passes requests of the API on.
 *
 *   npm run dev [-- nest options, for example --debug 127.0.0.1:9230]
 */
import { spawn } from 'node:child_process';
import { copyAssets } from './build.js';
import { writeConsoleTypes } from './build-console.js';
import * as preflight from './preflight.js';

const VITE = ['node_modules/vite/bin/vite.js', 'console', '--clearScreen', 'false'];
const NEST = [
  'node_modules/@nestjs/cli/bin/nest.js',
  ...['start', '--watch', '--preserveWatchOutput', '--no-shell', '--debug', '--path', 'tsconfig.dev.json'],
];
try {
  preflight.checkNode();
  preflight.checkPackages();
  process.chdir(preflight.ROOT);
  await preflight.checkPlace(preflight.loadEnvironment());
  // By default without the demonstration task, which each restart would submit again.
  const env = { ...process.env, DEMO: process.env.DEMO || 'false' };
  await writeConsoleTypes();
  copyAssets('dist-dev');
  const vite = spawn(process.execPath, VITE, { stdio: ['ignore', 'inherit', 'inherit'], env });
  process.once('exit', () => vite.kill());
  const child = spawn(process.execPath, [...NEST, ...process.argv.slice(2)], { stdio: 'inherit', env });
  // The terminal signals the whole group itself; other senders only know this process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('close', (code) => process.exit(code ?? 1));
} catch (error) {
  preflight.fail(error);
}
