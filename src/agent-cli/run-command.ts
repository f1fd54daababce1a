import { type Environment, parseEnvironment } from '../config/index.js';
import { bundle } from './bundle.js';
import { AgentRefused, type Command, parseCommand, USAGE, UsageError } from './command.js';
import { runAgent, validateAgent } from './local-agent.js';
import { openLocalHost } from './local-calls.js';
import { assertGranted, readPermissions } from './local-permissions.js';
import { runJson, validationJson } from './report-json.js';
import { runText, validationText } from './report-text.js';
import type { Terminal } from './terminal.js';

/**
 * Runs one command of `npm run agent`: the server's own validator and sandbox, without a server.
 * @param args the command line after `npm run agent --`
 * @returns the exit code. 0: the agent is accepted or completed; 1: it is not; 2: the command is wrong
 */
export async function runCommand(args: string[], terminal: Terminal): Promise<number> {
  try {
    const command = commandOf(args);
    if (command === 'help') {
      terminal.print(USAGE);
      return 0;
    }
    const config = parseEnvironment(terminal.env);
    return await (command.name === 'bundle' ? bundle(command, config, terminal) : tryOut(command, config, terminal));
  } catch (error) {
    terminal.complain((error as Error).message);
    return error instanceof AgentRefused ? 1 : 2;
  }
}

/** @throws UsageError with the whole usage. It would only hide what is wrong with a file */
function commandOf(args: string[]) {
  try {
    return parseCommand(args);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${error.message}\n\n${USAGE}`);
    throw error;
  }
}

/** Validates a binary; runs it if that is asked for and nothing is wrong with it. @returns the exit code */
async function tryOut(command: Command, config: Environment, terminal: Terminal): Promise<number> {
  const permissions = readPermissions(command.calls.permissions, config.hostCalls.offered);
  const validation = await validateAgent(command.file, config);
  if (command.name === 'validate' || !validation.report.is_valid) {
    terminal.print(
      command.json ? JSON.stringify(validationJson(validation), null, 2) : validationText(command.file, validation),
    );
    return validation.report.is_valid ? 0 : 1;
  }
  assertGranted(command, validation.report, permissions);
  const onOutput = (data: unknown, final: boolean) =>
    terminal.complain(`output.emit${final ? ' (final)' : ''}: ${JSON.stringify(data)}`);
  const host =
    permissions &&
    (await openLocalHost(command.calls, permissions, config.hostCalls, {
      onOutput,
      ask: (question) => terminal.ask(question),
    }));
  const run = await runAgent(command, config, () => terminal.readInput(), host);
  terminal.print(
    command.json
      ? JSON.stringify(runJson(run, validation), null, 2)
      : `${validationText(command.file, validation)}\n\n${runText(run)}`,
  );
  host?.keep();
  return run.outcome.end === 'completed' ? 0 : 1;
}
