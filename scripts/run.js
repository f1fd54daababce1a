/**
 * Runs a program of the server, from the sources where there are any:
 *
 *   node scripts/run.js [--as-built] PROGRAM [arguments]
 *
 * PROGRAM is `server`, `operator` or `agent`. It checks the machine first, then builds if a source is newer than the last
 * build, then becomes the program: one process, so that a signal reaches it. `--as-built` never builds.
 */
import { existsSync } from 'node:fs';
import { buildServer, isStale } from './build.js';
import * as preflight from './preflight.js';

preflight.surviveClosedOutput();
try {
  const asBuilt = process.argv[2] === '--as-built';
  const [, program, ...args] = process.argv.slice(asBuilt ? 2 : 1);
  const file = new URL(`../dist/bin/${program}.js`, import.meta.url);
  preflight.checkNode();
  preflight.checkPackages();
  // Before the build, which takes long.
  if (program === 'server') {
    preflight.parseArguments(args);
    await preflight.checkPlace(preflight.loadEnvironment());
  }
  if (!asBuilt && isStale(preflight.ROOT)) {
    preflight.endOnSignals();
    await buildServer();
  }
  if (!existsSync(file)) throw new preflight.PreflightError('Nothing is built yet: run `npm run build`.');
  process.argv.splice(1, process.argv.length - 1, file.pathname, ...args);
  await import(file.href);
} catch (error) {
  preflight.fail(error);
}
