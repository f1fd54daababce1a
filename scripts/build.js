/**
 * Builds the server into `dist`, and says so while it lasts. Arguments go to `nest build`.
 *
 *   node scripts/build.js [--path tsconfig.json]
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkNode, checkPackages, endOnSignals, fail, ROOT, surviveClosedOutput } from './preflight.js';

const SOURCES = ['src', 'migrations', 'package.json', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Written when a build is complete. A build removes `dist` first, so an interrupted one leaves none. */
const COMPLETE = 'dist/.complete';

const PROGRESS_MS = 5000;

/** @returns whether `root` has sources that are newer than its last complete build */
export function isStale(root) {
  if (!changedAt(join(root, 'src'))) return false;
  return Math.max(...SOURCES.map((name) => changedAt(join(root, name)))) > changedAt(join(root, COMPLETE));
}

/** Gives the latest change in a folder: one that lost a file is newer itself. 0 where there is nothing. */
function changedAt(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return 0;
  const inside = found.isDirectory() ? readdirSync(path).map((name) => changedAt(join(path, name))) : [];
  return Math.max(found.mtimeMs, ...inside);
}

/** @throws Error when the build fails; the compiler has said why */
export async function build(args = []) {
  const begun = Date.now();
  const seconds = () => `${Math.round((Date.now() - begun) / 1000)} s`;
  console.error('Building from the sources: this takes from ten seconds to a minute …');
  const progress = setInterval(() => console.error(`… still building (${seconds()})`), PROGRESS_MS);
  const compiler = spawn(process.execPath, [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  const stop = () => compiler.kill();
  process.once('exit', stop);
  const code = await new Promise((resolve) => compiler.once('close', resolve));
  clearInterval(progress);
  process.off('exit', stop);
  if (code !== 0) throw new Error('The build failed: the lines above say why.');
  writeFileSync(join(ROOT, COMPLETE), '');
  console.error(`Built in ${seconds()}.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  surviveClosedOutput();
  endOnSignals();
  try {
    checkNode();
    checkPackages();
    await build(process.argv.slice(2));
  } catch (error) {
    fail(error);
  }
}
