/**
 * Makes `package-lock.json` good for `npm ci` everywhere. Run it after each `npm install` that changed the lock file.
 *
 * Packages with native parts name one optional package per platform. `npm install` leaves those out of the lock file
 * that its registry does not offer, and `npm ci` then refuses the whole file (`EUSAGE … Missing: @x/y-darwin-arm64@ from
 * lock file`) on every machine. So each missing one gets a stub with what its name tells: version, system, processor, C
 * library. Where the stub fits, npm fetches the package by name and version; elsewhere it skips it.
 *
 * It also drops the addresses of registries: which one is used is the business of the machine that installs.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK_FILE = new URL('../package-lock.json', import.meta.url);
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const lock = JSON.parse(readFileSync(LOCK_FILE, 'utf8'));
const added = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  if (/^https?:/.test(entry.resolved ?? '')) delete entry.resolved;
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(path, name)) continue;
    lock.packages[`node_modules/${name}`] = stub(name, range, entry.dev);
    added.push(`${name}@${range}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(LOCK_FILE, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length ? `added ${added.length} stubs:\n  ${added.join('\n  ')}` : 'the lock file was complete');

/** Looks where Node would: in the `node_modules` of the package itself, then in those of each folder above. */
function isLocked(path, name) {
  for (let folder = path; ; folder = folder.slice(0, Math.max(folder.lastIndexOf('/node_modules/'), 0))) {
    if (lock.packages[`${folder && `${folder}/`}node_modules/${name}`]) return true;
    if (!folder) return false;
  }
}

function stub(name, range, dev) {
  const version = /\d+\.\d+\.\d+[^\s]*/.exec(range)?.[0];
  if (!version) throw new Error(`${name}: cannot tell a version from the range ${range}`);
  const words = name.split(/[/-]/).map((word) => (word === 'windows' ? 'win32' : word));
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = PROCESSORS.filter((processor) => words.includes(processor));
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu')) && 'glibc';
  if (!os.length && !cpu.length)
    throw new Error(`${name}: its name tells no platform; is it really an optional binary?`);
  return {
    version,
    ...(cpu.length && { cpu }),
    ...(dev && { dev }),
    ...(libc && { libc: [libc] }),
    optional: true,
    ...(os.length && { os }),
  };
}
