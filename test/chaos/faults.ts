import { setTimeout as pause } from 'node:timers/promises';
import type { Backend, Installation, InstallationOptions } from './installation.js';
import type { Random } from './random.js';

/** One thing that goes wrong in an installation that is at work, and is mended again. */
export interface Fault {
  /** Where it can happen; both when absent. */
  backends?: readonly Backend[];
  /** What the installation has to be for it. */
  prepare?(): Promise<Partial<InstallationOptions>>;
  /** Takes back what `prepare` has made, when the installation is gone. */
  cleanUp?(): Promise<void>;
  /** Breaks something and resolves once it is mended. */
  strike(installation: Installation, random: Random): Promise<void>;
  /** Codes of errors that tasks may end with for it. */
  mayFailWith?: readonly string[];
  /** It takes no worker's life. */
  killsNoWorker?: boolean;
}

/** By their names. */
export const FAULTS = {
  /** `kill -9`; its supervisor starts it again. */
  'worker-kill': {
    async strike({ workers }, random) {
      const victim = random.pick(workers);
      await victim.kill();
      await pause(random.between(0, 500));
      await victim.start();
    },
  },
} satisfies Record<string, Fault> as Record<string, Fault>;
