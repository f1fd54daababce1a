import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Logger } from '@nestjs/common';
import { runCommand } from './run-command.js';

// `npm run agent -- run|validate FILE.wasm`, `npm run agent -- bundle SCRIPT`.
Logger.overrideLogger(false);
process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  readInput: () => readFileSync(0),
  ask: async (question) => {
    if (!process.stdin.isTTY) return null;
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    return terminal.question(question).finally(() => terminal.close());
  },
  print: (text) => console.log(text),
  complain: (text) => console.error(text),
});
