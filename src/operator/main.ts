import { existsSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { parseEnvironment } from '../config/index.js';
import { createAdmin } from './admin.js';
import { parseCommand, USAGE, UsageError } from './command.js';
import { diagnose } from './doctor.js';
import { checkLedger } from './ledger.js';
import { migrateSchema, revertSchema } from './schema.js';

/** The operator's commands beside the server. Exit code 0: done; 1: it could not be done; 2: the command is wrong. */
async function main(): Promise<number> {
  Logger.overrideLogger(['error', 'fatal']);
  const command = parseCommand(process.argv.slice(2));
  if (existsSync('.env')) process.loadEnvFile('.env');
  switch (command.name) {
    case 'help':
      console.log(USAGE);
      return 0;
    case 'migrate':
      console.log(await migrateSchema(parseEnvironment(process.env)));
      return 0;
    case 'revert':
      console.log(await revertSchema(parseEnvironment(process.env)));
      return 0;
    case 'create-admin':
      console.log(await createAdmin(parseEnvironment(process.env), command));
      return 0;
    case 'ledger-verify':
      return (await checkLedger(parseEnvironment(process.env), (line) => console.log(line))) ? 0 : 1;
    case 'doctor':
      return (await diagnose(process.env, (line) => console.log(line))) ? 0 : 1;
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
