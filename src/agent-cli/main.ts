import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { runCommand } from './run-command.js';

// `npm run agent -- run|validate FILE.wasm`, `npm run agent -- bundle SCRIPT`.
Logger.overrideLogger(false);
process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  readInput: () => readFileSync(0),
  print: (text) => console.log(text),
  complain: (text) => console.error(text),
});
