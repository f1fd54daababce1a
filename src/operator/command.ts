import { parseArgs } from 'node:util';

export const USAGE = `What an operator does beside running the server; all of it reads the same environment.

  npm run db:migrate                         bring the schema up to date
  npm run db:revert                          take the last migration back, deleting what it added
  npm run admin:create -- --email ADDRESS    make an admin
  npm run ledger:verify                      rebuild all balances from the transfers, and compare
  npm run doctor                             check the configuration and every dependency

  --password-stdin   admin:create: read the password from standard input; else it is made and shown once
  --promote          admin:create: give the role to the account there is, whose password stays as it is`;

export type Command =
  | { name: 'migrate' | 'revert' | 'ledger-verify' | 'doctor' | 'help' }
  | { name: 'create-admin'; email: string; passwordStdin: boolean; promote: boolean };

/** The command line is wrong; `message` says why. */
export class UsageError extends Error {}

export function parseCommand(args: string[]): Command {
  const { positionals, values } = parse(args);
  const [name, ...rest] = positionals;
  if (values.help) return { name: 'help' };
  if (rest.length > 0) throw new UsageError(`Unexpected: ${rest.join(' ')}`);
  switch (name) {
    case 'migrate':
    case 'revert':
    case 'ledger-verify':
    case 'doctor':
      return { name };
    case 'create-admin':
      if (!values.email) throw new UsageError('Name the account: --email ADDRESS');
      return {
        name,
        email: values.email.trim().toLowerCase(),
        passwordStdin: values['password-stdin'] ?? false,
        promote: values.promote ?? false,
      };
    default:
      throw new UsageError(name ? `Unknown command ${name}.` : 'Name a command.');
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: 'boolean' },
        email: { type: 'string' },
        'password-stdin': { type: 'boolean' },
        promote: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
