/**
 * Runs test suites of the built server under another version of Node.js, which is installed from npm into a temporary
 * folder: engines differ in what they refuse and how they trap.
 *
 *   npm run -s build:all && node scripts/on-node.js 24 [<path> …]
 *
 * Without paths the suites of the sandbox: hostile modules, WASI, the walls, the runs and what validates a binary.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SANDBOX = [
  'test/hostile',
  'test/wasi',
  'test/e2e/python-agents',
  'src/confinement',
  'src/execution',
  'src/validation',
];

const [version, ...paths] = process.argv.slice(2);
if (!/^\d[\d.]*$/.test(version ?? '')) {
  console.error('Usage: node scripts/on-node.js VERSION [<path> …]');
  process.exit(2);
}

/** @returns the exit code */
function run(command, args) {
  return spawnSync(command, args, { stdio: 'inherit' }).status ?? 1;
}

const folder = mkdtempSync(join(tmpdir(), 'zerostate-node-'));
try {
  chmodSync(folder, 0o755); // as root, sandbox processes run this very binary as another user
  process.exitCode = run('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', `node@${version}`]);
  if (process.exitCode === 0) {
    const jest = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
    ];
    const suites = paths.length > 0 ? paths : SANDBOX;
    const node = join(folder, 'node_modules', 'node', 'bin', 'node');
    process.exitCode = run(node, [...jest, '--runInBand', ...suites]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
