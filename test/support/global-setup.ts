import { offerServices } from './services.js';

declare global {
  /** Set by the global setup, called by the global teardown, which runs in the same process. */
  var stopTestServices: (() => Promise<void>) | undefined;
}

/** Runs once before all suites. */
export default async function globalSetup(): Promise<void> {
  globalThis.stopTestServices = await offerServices();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void globalThis.stopTestServices?.().finally(() => process.exit(1)));
  }
}
