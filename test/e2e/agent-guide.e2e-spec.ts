import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startServer, type ServerProcess } from '../support/server.js';
import { runShellBlocks } from '../support/shell-blocks.js';

describe('the guide for developers of agents', () => {
  let server: ServerProcess;
  beforeAll(async () => void (server = await startServer()));
  afterAll(() => server?.stop());

  it('leads from nothing to agents that are uploaded and run, command by command', async () => {
    const { code, log } = await runShellBlocks('docs/agent-developer-guide.md', { SERVER: server.url });
    if (code !== 0) throw new Error(`exit code ${code} after:\n${log.slice(-3000)}`);
    expect(log).toContain('"greeting":"Hello, Ada!"');
    expect(log).toContain('Greeting Ada.');
    for (const language of ['C', 'Rust', 'AssemblyScript']) expect(log).toContain(`"language": "${language}"`);
  }, 600_000);
});
