import { spawnSync } from 'node:child_process';

const TRIES = 10;
const PAUSE_S = '10';

/**
 * Installs a package of Debian's, where that is possible without asking anybody, unless what it brings is there. Suites
 * run side by side and apt serves one at a time, so it waits for its locks, and tries again where it cannot wait.
 * @throws Error that says what to install
 */
export function ensureInstalled(name: string, isInstalled: () => boolean, ...options: string[]): void {
  for (let tries = 0; !isInstalled(); tries++) {
    if (tries === TRIES) throw new Error(`The tests need Debian's package \`${name}\`: install it.`);
    if (tries > 1) spawnSync('sleep', [PAUSE_S]);
    if (tries > 0) apt('update');
    apt('install', '-y', ...options, name);
  }
}

function apt(...args: string[]): void {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const [program, ...rest] = [...sudo, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...args];
  spawnSync(program, rest, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}
