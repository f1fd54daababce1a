/**
 * Builds the web console from `console/` into `<folder>/public`: the types of the API from `docs/openapi.json`, a check of
 * all types, then Vite. Does nothing when the folder has a build of the same sources.
 *
 *   node scripts/build-console.js   only the types of the API, and the check
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { writeApiTypes } from './api-types.js';
import { changedAt, latest } from './changed-at.js';
import { fail, ROOT } from './preflight.js';

const CONSOLE = join(ROOT, 'console');
const SCHEMA = join(CONSOLE, 'src/api/schema.d.ts');

/** A change in one of these changes the console. */
export const CONSOLE_SOURCES = [
  ...['console/src', 'console/index.html', 'console/package.json', 'console/tsconfig.json', 'console/vite.config.ts'],
  'docs/openapi.json',
];
const TOOLS = ['package-lock.json', 'scripts/build-console.js', 'scripts/api-types.js'];

/** JavaScript that a browser loads before the first page shows, bytes after gzip. */
const MAX_FIRST_VIEW = 170 * 1024;

/** @throws Error when the console has a type error, cannot be bundled or is too large; the reason is already printed */
export async function buildConsole(folder) {
  if (!existsSync(CONSOLE)) return; // tests of the build make trees without it
  const target = join(ROOT, folder, 'public');
  const complete = join(target, '.complete');
  if (existsSync(complete) && latest(ROOT, [...CONSOLE_SOURCES, ...TOOLS]) < changedAt(complete)) return;
  await writeConsoleTypes();
  await Promise.all([
    checkTypes(),
    node(
      'node_modules/vite/bin/vite.js',
      'build',
      'console',
      '--outDir',
      target,
      '--emptyOutDir',
      '--logLevel',
      'warn',
    ),
  ]);
  checkSize(target);
  compress(target);
  writeFileSync(complete, '');
}

const checkTypes = () => node('node_modules/typescript/bin/tsc', '--noEmit', '-p', 'console');

/** Writes the types of requests and answers, unless they are up to date. */
export const writeConsoleTypes = () => writeApiTypes(SCHEMA);

function checkSize(target) {
  const manifest = JSON.parse(readFileSync(join(target, '.vite/manifest.json'), 'utf8'));
  const files = new Set();
  const add = (key) => {
    if (files.has(manifest[key].file)) return;
    files.add(manifest[key].file);
    for (const imported of manifest[key].imports ?? []) add(imported);
  };
  add('index.html');
  const bytes = [...files].reduce((sum, file) => sum + gzipSync(readFileSync(join(target, file))).length, 0);
  const size = (value) => `${(value / 1024).toFixed(1)} KiB`;
  if (bytes > MAX_FIRST_VIEW)
    throw new Error(`The console loads ${size(bytes)} of JavaScript at first; the limit is ${size(MAX_FIRST_VIEW)}.`);
  console.error(`The console loads ${size(bytes)} of JavaScript at first (limit ${size(MAX_FIRST_VIEW)}).`);
}

/** Writes each text file as `.br` and `.gz` too, so that the server has nothing to compress. Fonts are compressed already. */
function compress(target) {
  for (const path of ['index.html', ...readdirSync(join(target, 'assets')).map((name) => join('assets', name))]) {
    if (!/\.(css|js|svg|html)$/.test(path)) continue;
    const bytes = readFileSync(join(target, path));
    writeFileSync(join(target, `${path}.br`), brotliCompressSync(bytes));
    writeFileSync(join(target, `${path}.gz`), gzipSync(bytes));
  }
}

function node(script, ...args) {
  const child = spawn(process.execPath, [join(ROOT, script), ...args], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  const stop = () => child.kill();
  process.once('exit', stop);
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      process.off('exit', stop);
      if (code === 0) resolve();
      else reject(new Error('The build of the console failed: the lines above say why.'));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await writeConsoleTypes();
    await checkTypes();
  } catch (error) {
    fail(error);
  }
}
