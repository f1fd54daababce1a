/**
 * Runs all checks and tests, one step after the other, and says how long each took. Arguments go to the last step, Jest.
 *
 *   npm test [-- path/fragment]
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { DEBIAN_PACKAGES } from './debian-packages.js';
import { checkNode, checkPackages, fail, PreflightError } from './preflight.js';

const STEPS = ['lint', 'format:check', 'rules', 'build:all', 'test:built'];

try {
  checkNode();
  checkPackages();
  await installPackages();
  for (const name of STEPS) await step(name);
} catch (error) {
  fail(error);
}

/** Installs what is missing where that needs no question: as root, or by a sudo without a password. */
async function installPackages() {
  const missing = () => Object.keys(DEBIAN_PACKAGES).filter((name) => !existsSync(DEBIAN_PACKAGES[name]));
  const names = missing();
  if (names.length === 0) return;
  const options = ['install', '-y', '--no-install-recommends', ...names];
  const asRoot = elevation();
  if (asRoot) {
    console.log(`▶ installing Debian packages that the tests need: ${names.join(' ')}`);
    await run([...asRoot, 'apt-get', '-qq', 'update']);
    await run([...asRoot, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...options]);
  }
  const left = missing();
  if (left.length === 0) return;
  throw new PreflightError(
    `The tests need ${left.length} Debian packages that are missing. Install them, then run \`npm test\` again:\n\n` +
      `  sudo apt-get install -y --no-install-recommends ${left.join(' ')}\n`,
  );
}

/** @returns what to write before a command so that root runs it; undefined when that would need a password */
function elevation() {
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined;
  if (process.getuid && process.getuid() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

async function step(name) {
  const begun = Date.now();
  console.log(`\n▶ ${name}`);
  const args = name === STEPS.at(-1) ? process.argv.slice(2) : [];
  const code = await run(['npm', 'run', '-s', name, '--', ...args]);
  const took = `${name} ${((Date.now() - begun) / 1000).toFixed(1)} s`;
  console.log(code === 0 ? `✓ ${took}` : `✗ ${took}`);
  if (code !== 0) process.exit(typeof code === 'number' ? code : 1);
}

/** Passes signals on, so that a step does not outlive this script. @returns the exit code, null after a signal */
function run([command, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const child = spawn(command, args, { stdio: 'inherit', env });
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
