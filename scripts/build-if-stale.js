/**
 * Builds the server, in the folder it is called in, if a source is newer than what is built. For commands that start from
 * `dist`: what they do is what the sources say.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const BUILT = 'dist/src/main.js';
const SOURCES = ['src', 'migrations', 'package.json', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Of a file; of a folder the latest of it and all in it, since one that lost a file is newer itself. 0 where there is none. */
function changedAt(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return 0;
  const inside = found.isDirectory() ? readdirSync(path).map((name) => changedAt(join(path, name))) : [];
  return Math.max(found.mtimeMs, ...inside);
}

if (Math.max(...SOURCES.map(changedAt)) > changedAt(BUILT)) {
  console.error('The sources are newer than the build: building …');
  process.exitCode = spawnSync('npm', ['run', '--silent', 'build'], { stdio: ['ignore', 2, 2] }).status ?? 1;
}
