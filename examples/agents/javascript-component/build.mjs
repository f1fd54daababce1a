/** Makes a component of a script: `node build.mjs agent.js my-agent.wasm [calling-agent]`. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const [script, output, worldName = 'agent'] = process.argv.slice(2);
if (!output) {
  console.error('usage: node build.mjs agent.js my-agent.wasm [calling-agent]');
  process.exit(2);
}
const { component } = await componentize(await readFile(script, 'utf8'), {
  witPath: fileURLToPath(new URL('../../../sdk/wit/agent.wit', import.meta.url)),
  worldName,
  // An agent serves no requests.
  disableFeatures: ['fetch-event'],
});
await writeFile(output, component);
