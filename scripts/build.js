/**
 * Builds from the sources, and reports progress:
 *
 *   node scripts/build.js            the server and its console, from nothing, into `dist`
 *   node scripts/build.js --tests    server, tests and benchmarks into `dist-test`; compiles only what has changed
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConsole, CONSOLE_SOURCES } from './build-console.js';
import { writeSdkTypes } from './build-sdk.js';
import { bundlePackages, bundlePrograms } from './bundle.js';
import { changedAt, latest } from './changed-at.js';
import { checkNode, checkPackages, endOnSignals, fail, ROOT, surviveClosedOutput } from './preflight.js';

const SERVER = { config: 'tsconfig.build.json', folder: 'dist' };
const TESTS = { config: 'tsconfig.json', folder: 'dist-test' };

const SOURCES = [
  ...['src', 'migrations', 'package.json', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json'],
  ...CONSOLE_SOURCES,
];

/** A change in one of these changes every compiled file, and the compiler does not notice it. */
const TOOLS = ['package-lock.json', 'nest-cli.json', 'scripts/build.js', 'scripts/bundle.js'];

/** Files that compiled code reads from beside itself. */
const ASSETS = ['src/validation/check/wasm-tools.wasm', 'src/validation/check/LICENSE.wasm-tools'];

/** Written into the folder when a build is complete. A build of the server removes it first. */
const COMPLETE = '.complete';

const PROGRESS_MS = 5000;

/** @returns whether `root` has sources that are newer than the last complete build of the server */
export function isStale(root) {
  if (!changedAt(join(root, 'src'))) return false;
  return latest(root, SOURCES) > changedAt(join(root, SERVER.folder, COMPLETE));
}

/** Builds the server. @throws Error when that fails; the compiler has already printed why */
export async function buildServer() {
  rmSync(join(ROOT, SERVER.folder), { recursive: true, force: true });
  await compile(SERVER);
}

/** Builds everything for the tests. @throws Error when that fails; the compiler has already printed why */
export async function buildTests() {
  const folder = join(ROOT, TESTS.folder);
  if (latest(ROOT, TOOLS) > changedAt(join(folder, COMPLETE))) rmSync(folder, { recursive: true, force: true });
  await writeSdkTypes(); // the tests compile the SDK with them
  await compile(TESTS);
  removeOrphans('');
  groupUnitSpecs();
}

/**
 * Writes one suite for the unit specs of each folder. Jest loads all modules anew for each suite: for specs that run in
 * milliseconds, that would be nearly all of their time.
 */
function groupUnitSpecs() {
  const groups = new Map();
  for (const part of ['src', 'sdk', 'test', 'bench']) {
    for (const name of readdirSync(join(ROOT, TESTS.folder, part), { recursive: true }).sort()) {
      if (!name.endsWith('.spec.js')) continue;
      const group = part === 'src' ? name.split('/')[0] : part;
      groups.set(group, [...(groups.get(group) ?? []), `await import('../${part}/${name}');\n`]);
    }
  }
  mkdirSync(join(ROOT, TESTS.folder, 'units'));
  for (const [group, imports] of groups)
    writeFileSync(join(ROOT, TESTS.folder, 'units', `${group}.units.js`), imports.join(''));
}

/** Removes compiled files whose source is gone, so that a deleted suite does not run. */
function removeOrphans(path) {
  for (const entry of readdirSync(join(ROOT, TESTS.folder, path), { withFileTypes: true })) {
    const name = join(path, entry.name);
    if (['node_modules', 'public', 'bin'].includes(name)) continue;
    if (entry.isDirectory() && existsSync(join(ROOT, name))) removeOrphans(name);
    else if (entry.isDirectory() || (/\.js(\.map)?$/.test(name) && !existsSync(join(ROOT, sourceOf(name)))))
      rmSync(join(ROOT, TESTS.folder, name), { recursive: true });
  }
}

const sourceOf = (compiled) => compiled.replace(/\.js(\.map)?$/, '.ts');

/** Puts the files that compiled code reads into a folder of compiled code. */
export function copyAssets(folder) {
  for (const asset of ASSETS) {
    const copy = join(ROOT, folder, asset);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(join(ROOT, asset), copy);
  }
}

async function compile({ config, folder }) {
  const begun = Date.now();
  const seconds = () => `${Math.round((Date.now() - begun) / 1000)} s`;
  console.error(`Building from the sources into ${folder} (ten seconds to a minute) …`);
  const progress = setInterval(() => console.error(`… still building (${seconds()})`), PROGRESS_MS);
  const compiler = spawn(
    process.execPath,
    [join(ROOT, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', '--path', config],
    { cwd: ROOT, stdio: ['ignore', 2, 2] },
  );
  const stop = () => compiler.kill();
  process.once('exit', stop);
  const code = await new Promise((resolve) => compiler.once('close', resolve));
  clearInterval(progress);
  process.off('exit', stop);
  if (code !== 0) throw new Error('The build failed: the lines above say why.');
  copyAssets(folder);
  await bundlePackages(folder);
  await bundlePrograms(folder);
  await buildConsole(folder);
  writeFileSync(join(ROOT, folder, COMPLETE), '');
  console.error(`Built in ${seconds()}.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  surviveClosedOutput();
  endOnSignals();
  try {
    checkNode();
    checkPackages();
    await (process.argv.includes('--tests') ? buildTests() : buildServer());
  } catch (error) {
    fail(error);
  }
}
