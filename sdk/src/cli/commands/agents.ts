import type { Schemas } from '../../api-types.js';
import type { Command } from '../command.js';
import { standardInput, askSecretly, size, table } from '../terminal.js';
import { kindsOf } from '../permission-diff.js';

export const AGENT_COMMANDS: Command[] = [
  {
    name: 'agents',
    summary: 'Lists the agents of the market.',
    options: {
      mine: { type: 'boolean', help: 'only your own' },
      capability: { type: 'string', short: 'c', value: 'NAME', help: 'only those that offer it' },
    },
    run: async (context) => {
      const items: Schemas['AgentCardDto'][] = [];
      for (let cursor: string | undefined; ;) {
        const query = {
          limit: 100,
          cursor,
          capability: context.text('capability'),
          mine: context.flag('mine') || undefined,
        };
        const page = await context.client.request('GET', '/agents', { query });
        items.push(...page.items);
        if (!page.next_cursor) break;
        cursor = page.next_cursor;
      }
      context.answer({ items }, () =>
        table(
          ['agent', 'name', 'version', 'capabilities', 'permissions', 'price', 'rating', 'done'],
          items.map((it) => [
            ...[it.slug, it.name, it.version, it.capabilities.join(', '), kindsOf(it.permissions).join(', ')],
            ...[it.price, it.statistics.rating, it.statistics.tasks_completed],
          ]),
          5,
        ),
      );
    },
  },
  {
    name: 'agents show',
    operands: 'AGENT',
    summary: 'Shows the public card of an agent.',
    run: async (context) => {
      const card = await context.client.request('GET', '/agents/{id}/card', { path: { id: context.operands[0] } });
      context.answer(card, () =>
        [
          `${card.name} (${card.slug}, ${card.id})`,
          card.description ?? '',
          `version ${card.version}, ${card.price} credits, ${card.capabilities.join(', ')}`,
          `permissions: ${card.permissions ? JSON.stringify(card.permissions) : 'none'}`,
          `input schema: ${card.input_schema ? JSON.stringify(card.input_schema) : 'any JSON'}`,
        ].join('\n'),
      );
    },
  },
  {
    name: 'agents versions',
    operands: 'AGENT',
    summary: 'Lists the versions of one of your agents, newest first.',
    run: async (context) => {
      const [id] = context.operands;
      const page = await context.client.request('GET', '/agents/{id}/versions', {
        path: { id },
        query: { limit: 100 },
      });
      context.answer(page, () =>
        table(
          ['version', 'status', 'uploaded', 'permissions', 'size'],
          page.items.map((it) => [
            it.version,
            it.status,
            it.created_at,
            kindsOf(it.permissions).join(', '),
            size(it.binary_size),
          ]),
          4,
        ),
      );
    },
  },
  {
    name: 'agents activate',
    operands: 'AGENT VERSION',
    summary: 'Makes a version the one that works.',
    run: async (context) => {
      const [id, version] = context.operands;
      const path = { id, version };
      const activated = await context.client.request('POST', '/agents/{id}/versions/{version}/activate', { path });
      context.answer(activated, () => `Version ${activated.version} of ${id} is active.`);
    },
  },
  ...(['pause', 'resume'] as const).map((act): Command => ({
    name: `agents ${act}`,
    operands: 'AGENT',
    summary: act === 'pause' ? 'Takes one of your agents off the market.' : 'Puts a paused agent back on the market.',
    run: async (context) => {
      const [id] = context.operands;
      const status = act === 'pause' ? ('paused' as const) : ('active' as const);
      const agent = await context.client.request('PATCH', '/agents/{id}', { path: { id }, body: { status } });
      context.answer(agent, () => `${agent.slug} is ${agent.status}.`);
    },
  })),
  {
    name: 'secrets',
    operands: 'AGENT',
    summary: 'Lists names and hosts of the secrets of an agent. No command shows a value.',
    run: async (context) => {
      const [id] = context.operands;
      const secrets = await context.client.request('GET', '/agents/{id}/secrets', { path: { id } });
      context.answer(secrets, () =>
        table(
          ['secret', 'host', 'set at'],
          secrets.items.map(({ name, host, set_at }) => [name, host, set_at]),
        ),
      );
    },
  },
  {
    name: 'secrets set',
    operands: 'AGENT NAME',
    summary: 'Stores a secret. Its value is read from standard input, or typed without being shown.',
    options: { host: { type: 'string', value: 'HOST', help: 'the one host that it may be sent to' } },
    run: async (context) => {
      const [id, name] = context.operands;
      const host = context.required('host');
      const value = process.stdin.isTTY ? await askSecretly(`Value of ${name}: `) : await standardInput();
      const path = { id, name };
      const stored = await context.client.request('PUT', '/agents/{id}/secrets/{name}', {
        path,
        body: { value, host },
      });
      context.answer(stored, () => `Secret ${name} of ${id} is stored for ${stored.host}.`);
    },
  },
  {
    name: 'secrets delete',
    operands: 'AGENT NAME',
    summary: 'Deletes a secret.',
    run: async (context) => {
      const [id, name] = context.operands;
      await context.client.request('DELETE', '/agents/{id}/secrets/{name}', { path: { id, name } });
      context.answer({ name }, () => `Secret ${name} of ${id} is deleted.`);
    },
  },
];
