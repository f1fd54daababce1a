#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { COMMANDS } from './commands/index.js';
import { helpOf, overview, parseCommandLine } from './command.js';
import { Context } from './context.js';
import { exitCodeOf, messageOf } from './failure.js';
import { note, print } from './terminal.js';
import { UsageError } from './usage.js';

/** @returns the exit code */
async function main(args: string[]): Promise<number> {
  if (args[0] === '--version') {
    print(
      (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version,
    );
    return 0;
  }
  const { command, words, values, operands } = parseCommandLine(args, COMMANDS);
  if (!command) return explain(words, args);
  if (values.help) {
    print(helpOf(command));
    return 0;
  }
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new DOMException('Interrupted.', 'AbortError'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    return (await command.run(new Context(operands, values, interrupted))) ?? 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    throw error;
  }
}

/** Lists the commands. What names none of them is wrong usage, unless it asks for help. */
function explain([first, second]: string[], args: string[]): number {
  const ofGroup = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (first === undefined || first === 'help' || (ofGroup.length > 0 && second === undefined)) {
    print(overview(first !== undefined && ofGroup.length > 0 ? ofGroup : COMMANDS));
    return args.length === 0 || first === 'help' || args.some((arg) => arg === '--help' || arg === '-h') ? 0 : 2;
  }
  const known = (ofGroup.length > 0 ? ofGroup : COMMANDS).map(({ name }) => name).join(', ');
  throw new UsageError(`Unknown command "${[first, second].filter(Boolean).join(' ')}". Known: ${known}.`);
}

// A reader such as `head` that has seen enough closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  note(messageOf(error));
  process.exitCode = exitCodeOf(error);
}
