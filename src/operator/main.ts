import { existsSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { parseEnvironment } from '../config/index.js';
import { parseCommand, USAGE, UsageError } from './command.js';

/**
 * The operator's commands beside the server. Exit code 0: done; 1: it could not be done; 2: the command is wrong.
 *
 * Each loads only its own code: most of a short command's time goes into loading.
 */
async function main(): Promise<number> {
  Logger.overrideLogger(['error', 'fatal']);
  const command = parseCommand(process.argv.slice(2));
  if (existsSync('.env')) process.loadEnvFile('.env');
  switch (command.name) {
    case 'help':
      console.log(USAGE);
      return 0;
    case 'migrate':
      console.log(await (await import('./schema.js')).migrateSchema(parseEnvironment(process.env)));
      return 0;
    case 'revert':
      console.log(await (await import('./schema.js')).revertSchema(parseEnvironment(process.env)));
      return 0;
    case 'create-admin':
      console.log(await (await import('./admin.js')).createAdmin(parseEnvironment(process.env), command));
      return 0;
    case 'ledger-verify': {
      const { checkLedger } = await import('./ledger.js');
      return (await checkLedger(parseEnvironment(process.env), (line) => console.log(line))) ? 0 : 1;
    }
    case 'doctor': {
      const { diagnose } = await import('./doctor.js');
      return (await diagnose(process.env, (line) => console.log(line))) ? 0 : 1;
    }
  }
}

try {
  // Clients of unavailable services keep retrying; the command is done anyway.
  process.exit(await main());
} catch (error) {
  const wrong = error instanceof UsageError;
  console.error(wrong ? `${error.message}\n\n${USAGE}` : (error as Error).message);
  process.exit(wrong ? 2 : 1);
}
