import { existsSync } from 'node:fs';
import { parseEnvironment } from './config/index.js';
import { boot } from './boot/index.js';

// Node.js would open its debugger on this signal, to every user of the machine: newer versions have a flag against that, Node.js 20 has none.
process.on('SIGUSR1', () => console.error('SIGUSR1 is ignored: the debugger stays closed.'));

/** Boots the roles named in ROLES. `--no-demo` leaves the demonstration task out. */
try {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const flags = process.argv.includes('--no-demo') ? { DEMO: 'false' } : {};
  await boot(parseEnvironment({ ...process.env, ...flags }));
} catch (error) {
  // The message is written for the operator; the stack helps only where the fault is ours.
  console.error(error instanceof Error ? error.message : error);
  if (process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exit(1);
}
