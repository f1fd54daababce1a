/**
 * Makes all that `npm pack` needs of the SDK: its build, declarations of its types, and in `sdk/local` the sandbox of the
 * compiled server with bundlers and templates, each at its place of the repository.
 *
 *   node scripts/pack-sdk.js [DIST]   DIST is the compiled server; without it, `dist`, which is built when it is stale
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildServer, isStale } from './build.js';
import { buildSdk, declareSdkTypes } from './build-sdk.js';
import { bundleAgentTool } from './bundle-agent-tool.js';
import { fail, ROOT } from './preflight.js';

const EXAMPLES = ['javascript', 'python', 'ruby', 'template-c', 'template-rust', 'template-assemblyscript', 'lib'];
/** Rebuild the runtimes, which no user of the package does. */
const NOT_PACKED = /\/(build|build-runtime\.sh|SHA256SUMS|runtime\.c|freeze\.py)$/;

try {
  const [, , dist = 'dist'] = process.argv;
  if (dist === 'dist' && isStale(ROOT)) await buildServer();
  const sdk = join(ROOT, 'sdk');
  const local = join(sdk, 'local');
  rmSync(local, { recursive: true, force: true });
  await Promise.all([buildSdk(), declareSdkTypes(), bundleAgentTool(join(ROOT, dist), local)]);
  const filter = (from) => !NOT_PACKED.test(from);
  for (const name of EXAMPLES)
    cpSync(join(ROOT, 'examples/agents', name), join(local, 'examples/agents', name), { recursive: true, filter });
  cpSync(join(ROOT, 'LICENSE'), join(sdk, 'LICENSE'));
} catch (error) {
  fail(error);
}
