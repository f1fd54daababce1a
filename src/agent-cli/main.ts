import { Logger } from '@nestjs/common';
import { parseEnvironment } from '../config/index.js';
import { bundle } from './bundle.js';
import { AgentRefused, parseCommand, USAGE, UsageError } from './command.js';
import { runAgent, validateAgent } from './local-agent.js';
import { runJson, validationJson } from './report-json.js';
import { runText, validationText } from './report-text.js';

/**
 * `npm run agent -- run|validate FILE.wasm`, `npm run agent -- bundle SCRIPT`: the server's own validator and sandbox,
 * without a server. Results go to standard output. Exit code 0: the agent is accepted or completed; 1: it is not; 2: the
 * command is wrong.
 */
async function main(): Promise<number> {
  Logger.overrideLogger(false);
  const command = parseCommand(process.argv.slice(2));
  if (command === 'help') {
    console.log(USAGE);
    return 0;
  }
  const config = parseEnvironment(process.env);
  if (command.name === 'bundle') return bundle(command, config);
  const validation = await validateAgent(command.file, config);
  if (command.name === 'validate' || !validation.report.is_valid) {
    console.log(
      command.json ? JSON.stringify(validationJson(validation), null, 2) : validationText(command.file, validation),
    );
    return validation.report.is_valid ? 0 : 1;
  }
  const run = await runAgent(command, config);
  console.log(
    command.json
      ? JSON.stringify(runJson(run, validation), null, 2)
      : `${validationText(command.file, validation)}\n\n${runText(run)}`,
  );
  return run.outcome.end === 'completed' ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error((error as Error).message);
  process.exitCode = error instanceof AgentRefused ? 1 : 2;
}
