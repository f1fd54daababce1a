import type { Schemas } from '../../api-types.js';
import type { Command } from '../command.js';
import { table } from '../terminal.js';

export const LEDGER_COMMANDS: Command[] = [
  {
    name: 'ledger',
    summary: 'Shows your balance.',
    run: async (context) => {
      const balance = await context.client.request('GET', '/ledger/balance');
      context.answer(balance, () =>
        [
          `available  ${balance.available}`,
          `held       ${balance.held}  (budgets of tasks that have not ended)`,
          `pending    ${balance.pending}  (earned, not yet withdrawable)`,
        ].join('\n'),
      );
    },
  },
  {
    name: 'ledger transfers',
    summary: 'Lists your transfers, newest first.',
    options: {
      kind: { type: 'string', value: 'KIND', help: 'only this kind, such as post or hold' },
      task: { type: 'string', value: 'TASK', help: 'only those of a task' },
      limit: { type: 'string', value: 'N', help: 'at most so many (default 20, up to 100)' },
    },
    run: async (context) => {
      const kind = context.text('kind') as Schemas['TransferDto']['kind'] | undefined;
      const query = { kind, task_id: context.text('task'), limit: context.integer('limit') ?? 20 };
      const page = await context.client.request('GET', '/ledger/transfers', { query });
      context.answer(page, () =>
        table(
          ['id', 'at', 'kind', 'task', 'available', 'held'],
          page.items.map((it) => [
            it.id,
            it.at,
            it.kind,
            it.task_id,
            signed(it.available_change),
            signed(it.held_change),
          ]),
          4,
        ),
      );
    },
  },
  {
    name: 'ledger statement',
    operands: 'MONTH',
    summary: 'Shows what you bought and earned in a month, such as 2026-11.',
    run: async (context) => {
      const query = { month: context.operands[0], limit: 100 };
      const statement = (await context.client.request('GET', '/ledger/statement', {
        query,
      })) as Schemas['StatementDto'];
      context.answer(statement, () =>
        (['opening', 'bought', 'earned', 'fees', 'other', 'closing'] as const)
          .map((name) => `${name.padEnd(9)}${String(statement[name]).padStart(14)}`)
          .join('\n'),
      );
    },
  },
];

const signed = (change: number): string => (change > 0 ? `+${change}` : String(change));
