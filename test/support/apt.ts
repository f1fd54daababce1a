import { spawnSync } from 'node:child_process';

/**
 * Installs a package of Debian's, where that is possible without asking anybody, unless what it brings is there.
 * @throws Error that says what to install
 */
export function ensureInstalled(name: string, isInstalled: () => boolean, ...options: string[]): void {
  if (isInstalled()) return;
  apt('install', '-y', ...options, name);
  if (isInstalled()) return;
  apt('update');
  apt('install', '-y', ...options, name);
  if (!isInstalled()) throw new Error(`The tests need Debian's package \`${name}\`: install it.`);
}

function apt(...args: string[]): void {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const [program, ...rest] = [...sudo, 'apt-get', '-qq', ...args];
  spawnSync(program, rest, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}
