/** Runs the command `zerostate` from the sources: npm run zerostate -- COMMAND … */
import { buildSdk } from './build-sdk.js';
import * as preflight from './preflight.js';

try {
  preflight.checkNode();
  preflight.checkPackages();
  await buildSdk();
  // The sandbox is the repository's own.
  process.env.ZEROSTATE_REPOSITORY = preflight.ROOT;
  await import(new URL('../sdk/dist/cli/main.js', import.meta.url).href);
} catch (error) {
  preflight.fail(error);
}
