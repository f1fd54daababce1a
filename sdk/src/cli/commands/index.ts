import type { Command } from '../command.js';
import { AGENT_COMMANDS } from './agents.js';
import { AUCTION_COMMANDS } from './auction.js';
import { completionCommand } from './completion.js';
import { LEDGER_COMMANDS } from './ledger.js';
import { LOGIN_COMMANDS } from './login.js';
import { PROJECT_COMMANDS } from './project.js';
import { TASK_COMMANDS } from './tasks.js';
import { WEBHOOK_COMMANDS } from './webhooks.js';

const commands: Command[] = [
  ...LOGIN_COMMANDS,
  ...PROJECT_COMMANDS,
  ...AGENT_COMMANDS,
  ...TASK_COMMANDS,
  ...AUCTION_COMMANDS,
  ...WEBHOOK_COMMANDS,
  ...LEDGER_COMMANDS,
];

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [...commands, completionCommand(commands)];
