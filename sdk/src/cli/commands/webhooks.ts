import type { Schemas } from '../../api-types.js';
import type { Command } from '../command.js';
import type { Context } from '../context.js';
import { writeSecret } from '../profiles.js';
import { table } from '../terminal.js';

type Events = Schemas['CreateWebhookDto']['events'];

const FILE_OPTION = {
  'secret-file': {
    type: 'string',
    value: 'FILE',
    help: 'where to write the signing secret; only you can read the file',
  },
} as const;

export const WEBHOOK_COMMANDS: Command[] = [
  {
    name: 'webhooks',
    summary: 'Lists your webhooks.',
    run: async (context) => {
      const page = await context.client.request('GET', '/webhooks', { query: { limit: 100 } });
      context.answer(page, () =>
        table(
          ['webhook', 'status', 'url', 'events', 'failures'],
          page.items.map((it) => [it.id, it.status, it.url, it.events?.join(', ') || 'all', it.failures]),
          4,
        ),
      );
    },
  },
  {
    name: 'webhooks create',
    operands: 'URL',
    summary: 'Sends events to a server. The signing secret goes into a file.',
    options: {
      ...FILE_OPTION,
      events: { type: 'string', multiple: true, value: 'TYPE', help: 'only these types, such as task.completed' },
      agents: { type: 'string', multiple: true, value: 'AGENT', help: 'only events of these agents' },
      description: { type: 'string', value: 'TEXT', help: 'for people' },
    },
    run: async (context) => {
      const file = context.required('secret-file');
      const [url] = context.operands;
      const events = context.list('events') as Events;
      const body = { url, events, agents: context.list('agents'), description: context.text('description') };
      keepSecret(context, await context.client.request('POST', '/webhooks', { body }), file);
    },
  },
  {
    name: 'webhooks rotate',
    operands: 'WEBHOOK',
    summary: 'Makes a new signing secret. The old one stays valid for a while.',
    options: {
      ...FILE_OPTION,
      overlap: { type: 'string', value: 'SECONDS', help: 'how long the old one stays valid' },
    },
    run: async (context) => {
      const file = context.required('secret-file');
      const [id] = context.operands;
      const body = { overlap_s: context.integer('overlap') };
      keepSecret(context, await context.client.request('POST', '/webhooks/{id}/secret', { path: { id }, body }), file);
    },
  },
  ...(['pause', 'resume'] as const).map((act): Command => ({
    name: `webhooks ${act}`,
    operands: 'WEBHOOK',
    summary: act === 'pause' ? 'Stops the deliveries of a webhook.' : 'Activates a paused or disabled webhook.',
    run: async (context) => {
      const [id] = context.operands;
      const status = act === 'pause' ? ('paused' as const) : ('active' as const);
      const webhook = await context.client.request('PATCH', '/webhooks/{id}', { path: { id }, body: { status } });
      context.answer(webhook, () => `Webhook ${id} is ${webhook.status}.`);
    },
  })),
  {
    name: 'webhooks ping',
    operands: 'WEBHOOK',
    summary: 'Sends a test message.',
    run: async (context) => {
      const delivery = await context.client.request('POST', '/webhooks/{id}/ping', {
        path: { id: context.operands[0] },
      });
      context.answer(delivery, () => `Delivery ${delivery.id} is ${delivery.state}.`);
    },
  },
  {
    name: 'webhooks deliveries',
    operands: 'WEBHOOK',
    summary: 'Lists deliveries with their last attempt, newest first.',
    options: { state: { type: 'string', value: 'pending|delivered|failed', help: 'only those in this state' } },
    run: async (context) => {
      const state = context.text('state') as Schemas['DeliveryDto']['state'] | undefined;
      const path = { id: context.operands[0] };
      const page = await context.client.request('GET', '/webhooks/{id}/deliveries', {
        path,
        query: { limit: 100, state },
      });
      context.answer(page, () =>
        table(
          ['delivery', 'type', 'state', 'created', 'attempts', 'last answer', 'ms'],
          page.items.map((it) => {
            const last = it.attempts?.at(-1);
            return [
              it.id,
              it.type,
              it.state,
              it.created_at,
              it.attempts?.length,
              last?.status ?? last?.code,
              last?.duration_ms,
            ];
          }),
          4,
        ),
      );
    },
  },
  {
    name: 'webhooks replay',
    operands: 'WEBHOOK DELIVERY',
    summary: 'Sends a delivery again.',
    run: async (context) => {
      const [id, delivery] = context.operands;
      const route = '/webhooks/{id}/deliveries/{delivery}/replay';
      const replayed = await context.client.request('POST', route, { path: { id, delivery } });
      context.answer(replayed, () => `Delivery ${replayed.id} is ${replayed.state}.`);
    },
  },
  {
    name: 'webhooks delete',
    operands: 'WEBHOOK',
    summary: 'Deletes a webhook and what waits for it.',
    run: async (context) => {
      const [id] = context.operands;
      await context.client.request('DELETE', '/webhooks/{id}', { path: { id } });
      context.answer({ id }, () => `Webhook ${id} is deleted.`);
    },
  },
];

/** The server shows a secret once. */
function keepSecret(context: Context, { secret, ...webhook }: Schemas['NewWebhookDto'], file: string): void {
  writeSecret(file, `${secret}\n`);
  context.answer({ ...webhook, secret_file: file }, () => `Webhook ${webhook.id}. Its signing secret is in ${file}.`);
}
