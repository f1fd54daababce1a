import type { Environment } from './config/index.js';

/** `scripts/preflight.js`. It is plain JavaScript, so that it also runs before a build and on an old Node.js. */
interface Preflight {
  surviveClosedOutput(): void;
  endOnSignals(): void;
  leaveSignals(): void;
  checkNode(): void;
  parseArguments(args: string[]): Record<string, string>;
  loadEnvironment(): NodeJS.ProcessEnv;
  checkPlace(env: NodeJS.ProcessEnv): Promise<void>;
  /** Prints an error for the operator and exits with 1. */
  fail(error: unknown): never;
}

// Everything else is imported after the checks: an old Node.js cannot even read it.
const preflight = (await import(new URL('../../scripts/preflight.js', import.meta.url).href)) as Preflight;
preflight.surviveClosedOutput();
preflight.endOnSignals();

// Node.js would open its debugger on this signal, to every user of the machine: newer versions have a flag against that, Node.js 20 has none.
process.on('SIGUSR1', () => console.error('SIGUSR1 is ignored: the debugger stays closed.'));

/** Boots the roles named in ROLES. `--no-demo` leaves the demonstration task out. */
try {
  preflight.checkNode();
  const flags = preflight.parseArguments(process.argv.slice(2));
  const { parseEnvironment } = await import('./config/index.js');
  const environment: Environment = parseEnvironment({ ...preflight.loadEnvironment(), ...flags });
  await preflight.checkPlace(process.env);
  const { boot } = await import('./boot/index.js');
  const serving = boot(environment);
  preflight.leaveSignals();
  await serving;
} catch (error) {
  preflight.fail(error);
}
