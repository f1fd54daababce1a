/**
 * Runs checks and tests, one step after the other, and prints how long each took.
 *
 *   npm test                        everything: lint, formatting, module rules, build, all suites
 *   npm test -- PATH … [options]    the suites with PATH in their path, nothing else. Options go to Jest
 *   npm run test:changed [-- REF]   the suites that import what differs from the commit REF (HEAD when absent)
 *
 * Unit specs (`*.spec.ts`) run straight from the sources. If a contract or e2e suite (`*-spec.ts`) is among the suites, the
 * tests are built first.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { DEBIAN_PACKAGES } from './debian-packages.js';
import { checkNode, checkPackages, fail, PreflightError, ROOT } from './preflight.js';

/** What comes before the suites. Formatting is checked beside the build: each keeps one core busy. */
const CHECKS = [[['lint']], [['rules']], [['build:all'], ['format:check']]];
const FOLDERS = ['src', 'migrations', 'test', 'bench'];

/** Settles when the packages are there that suites need; the checks and the build run meanwhile. */
let installing = Promise.resolve();

try {
  process.chdir(ROOT);
  checkNode();
  checkPackages();
  await runSteps(await choose(process.argv.slice(2)));
} catch (error) {
  fail(error);
}

/** @returns the steps: each some npm scripts that run side by side, with their arguments */
async function choose([first, ...rest]) {
  if (first === '--changed') return suitesStep(changedSuites(rest[0]), []);
  if (first !== undefined && !first.startsWith('-')) {
    const args = [first, ...rest];
    const firstOption = args.findIndex((arg) => arg.startsWith('-'));
    const paths = firstOption < 0 ? args : args.slice(0, firstOption);
    return suitesStep(suitesAt(paths), args.slice(paths.length));
  }
  installing = installPackages();
  return [...CHECKS, [['test:whole', ...process.argv.slice(2)]]];
}

function suitesStep(suites, options) {
  if (suites.length === 0) console.log('No suite imports what has changed.');
  const unit = suites.filter((path) => path.endsWith('.spec.ts'));
  const built = suites.filter((path) => !path.endsWith('.spec.ts'));
  return [
    ...(unit.length ? [[['test:unit', '--runTestsByPath', ...unit, ...options]]] : []),
    ...(built.length
      ? [[['build:all']], [['test:built', '--runTestsByPath', ...built.map(compiled), ...options]]]
      : []),
  ];
}

function compiled(path) {
  return `dist-test/${path.replace(/\.ts$/, '.js')}`;
}

/** @throws PreflightError when a path fits no suite */
function suitesAt(paths) {
  const all = FOLDERS.flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`),
  ).filter((path) => /[.-]spec\.ts$/.test(path));
  for (const path of paths) {
    if (!all.some((suite) => suite.includes(path)))
      throw new PreflightError(`No suite has "${path}" in its path. Suites are *.spec.ts and *-spec.ts files.`);
  }
  return all.filter((suite) => paths.some((path) => suite.includes(path)));
}

/** Jest knows who imports what. @returns suites that import a changed file, directly or not, and changed suites */
function changedSuites(ref = 'HEAD') {
  const tracked = output('git', ['diff', '--name-only', '--diff-filter=d', ref]);
  const added = output('git', ['ls-files', '--others', '--exclude-standard']);
  const changed = [...tracked, ...added].filter((path) => path.endsWith('.ts'));
  if (changed.length === 0) return [];
  const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--config', 'jest.related.config.js'];
  const found = output(process.execPath, [...jest, '--listTests', '--findRelatedTests', ...changed]);
  return found.filter((path) => path.startsWith(ROOT)).map((path) => path.slice(ROOT.length));
}

/** @returns the lines that a command prints */
function output(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) throw new PreflightError(`${command} ${args[0]} failed:\n${stderr}`);
  return stdout.split('\n').filter(Boolean);
}

/**
 * Installs what is missing where that needs no question: as root, or by a sudo without a password.
 * @returns a promise that settles when they are installed
 * @throws PreflightError at once when they cannot be installed
 */
function installPackages() {
  const names = missingPackages();
  if (names.length === 0) return Promise.resolve();
  const asRoot = elevation();
  if (!asRoot) throw packagesMissing(names);
  console.log(`Installing Debian packages that the tests need, beside the first steps: ${names.join(' ')}`);
  const begun = Date.now();
  const apt = [...asRoot, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300'];
  const installed = run([...apt, 'update'], 'ignore')
    .then(() => run([...apt, 'install', '-y', '--no-install-recommends', ...names], 'ignore'))
    .then(() => {
      const left = missingPackages();
      if (left.length > 0) throw packagesMissing(left);
      console.log(`Debian packages installed after ${seconds(begun)}`);
    });
  installed.catch(() => undefined); // the step that needs them reports it
  return installed;
}

function missingPackages() {
  return Object.keys(DEBIAN_PACKAGES).filter((name) => !existsSync(DEBIAN_PACKAGES[name]));
}

function packagesMissing(names) {
  return new PreflightError(
    `The tests need ${names.length} Debian packages that are missing. Install them, then run \`npm test\` again:\n\n` +
      `  sudo apt-get install -y --no-install-recommends ${names.join(' ')}\n`,
  );
}

/** @returns what to write before a command so that root runs it; undefined when that would need a password */
function elevation() {
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined;
  if (process.getuid && process.getuid() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

/** Ends at the first step that fails, with the exit code of its script. */
async function runSteps(steps) {
  const begun = Date.now();
  const took = [];
  for (const [index, scripts] of steps.entries()) {
    if (scripts.some(([name]) => name === 'test:built' || name === 'test:whole')) await installing;
    console.log(`\n▶ ${index + 1}/${steps.length} ${scripts.map(([name]) => name).join(' and ')}`);
    const codes = await Promise.all(scripts.map((script) => runScript(script, took)));
    const failed = codes.find((code) => code !== 0);
    if (failed === undefined) continue;
    await installing.catch(() => undefined); // an interrupted dpkg would need repair
    process.exit(typeof failed === 'number' ? failed : 1);
  }
  if (took.length > 1) console.log(`\nAll passed in ${seconds(begun)}: ${took.join(', ')}.`);
}

/** @param took gets the name of the script and its time @returns the exit code, null after a signal */
async function runScript([name, ...args], took) {
  const begun = Date.now();
  const code = await run(['npm', 'run', '-s', name, ...(args.length ? ['--', ...args] : [])]);
  took.push(`${name} ${seconds(begun)}`);
  console.log(`${code === 0 ? '✓' : '✗'} ${took.at(-1)}`);
  return code;
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Passes signals on, so that a step does not outlive this script. @returns the exit code, null after a signal */
function run([command, ...args], stdio = 'inherit') {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const child = spawn(command, args, { stdio, env });
  const pass = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      for (const signal of signals) process.off(signal, pass);
      resolve(code);
    });
  });
}
