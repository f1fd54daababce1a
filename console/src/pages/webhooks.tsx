import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas, unwrap } from '../api/client';
import { type NewWebhook, useWebhookNews, useWebhookRenewal, useWebhooks, type Webhook } from '../api/webhooks';
import { plural } from '../lib/format';
import { Ago, Button, Empty, Loading, Panel } from '../ui/basics';
import { ProblemPanel } from '../ui/problem';
import { WebhookForm } from './webhooks/form';
import { SecretOnce } from './webhooks/secret';
import { WebhookState, whyDisabled } from './webhooks/state';

/** The user's webhooks, and the form that makes one. */
export function Webhooks() {
  const renew = useWebhookRenewal();
  const webhooks = useWebhooks();
  useWebhookNews();
  const [isNew, setNew] = useState(false);
  const create = useMutation({
    mutationFn: (body: Schemas['CreateWebhookDto']) =>
      unwrap(api.POST('/api/v1/webhooks', { body })) as Promise<NewWebhook>,
    onSuccess: () => {
      setNew(false);
      return renew();
    },
  });
  const made = create.data;
  const open = (): void => {
    create.reset();
    setNew(true);
  };
  return (
    <main className="page narrow">
      <div className="pagehead tight">
        <div>
          <nav className="crumb" aria-label="Where this is">
            <Link to="/account">Account</Link>
            <span>/</span>
            <span>Webhooks</span>
          </nav>
          <h1>Webhooks</h1>
          <Lead webhooks={webhooks.data?.items} />
        </div>
        {!isNew && (
          <div className="acts">
            <Button small look="primary" glyph="plus" onClick={open}>
              New webhook
            </Button>
          </div>
        )}
      </div>
      <Panel title={isNew ? 'New webhook' : 'Your webhooks'}>
        {isNew && (
          <WebhookForm
            action="Make the webhook"
            error={create.error}
            busy={create.isPending}
            onSubmit={(body) => create.mutate(body)}
            onCancel={() => setNew(false)}
          />
        )}
        {made && (
          <SecretOnce secret={made.secret}>
            Your receiver verifies signatures with it. Then{' '}
            <Link to="/account/webhooks/$webhookId" params={{ webhookId: made.id }}>
              send a test message
            </Link>
            .
          </SecretOnce>
        )}
        {webhooks.error ? (
          <ProblemPanel error={webhooks.error} />
        ) : !webhooks.data ? (
          <Loading lines={2} />
        ) : webhooks.data.items.length === 0 ? (
          !isNew && (
            <Empty title="No webhooks" action={<Button onClick={open}>Make the first webhook</Button>}>
              A webhook sends your events to a server of yours. You need an https address that accepts POST requests.
            </Empty>
          )
        ) : (
          <ul className="hooks">
            {webhooks.data.items.map((webhook) => (
              <WebhookRow key={webhook.id} webhook={webhook} />
            ))}
          </ul>
        )}
      </Panel>
    </main>
  );
}

function Lead({ webhooks }: { webhooks: readonly Webhook[] | undefined }) {
  if (!webhooks) return null;
  const stopped = webhooks.filter(({ status }) => status === 'disabled').length;
  if (webhooks.length === 0) return <p className="lead">No server of yours gets your events.</p>;
  return (
    <p className="lead">
      <b>{plural(webhooks.length, 'webhook')}</b>
      {stopped === 0 ? ', none is disabled.' : <>, {stopped} disabled. Open it to see why.</>}
    </p>
  );
}

function WebhookRow({ webhook }: { webhook: Webhook }) {
  const { id, url, description, status, events, agents, failures, last_success_at } = webhook;
  return (
    <li>
      <div className="hook-name">
        <Link to="/account/webhooks/$webhookId" params={{ webhookId: id }}>
          {url}
        </Link>
        {description && <span className="mute">{description}</span>}
        <span className="dim">
          {events.length === 0 ? 'All events' : plural(events.length, 'type')}
          {agents.length > 0 && ` of ${plural(agents.length, 'agent')}`}
          {' · '}
          {last_success_at ? (
            <>
              last accepted <Ago at={last_success_at} />
            </>
          ) : (
            'nothing accepted yet'
          )}
          {failures > 0 && ` · ${plural(failures, 'request')} failed since`}
        </span>
        {status === 'disabled' && <span className="error">{whyDisabled(webhook.disabled_reason)[0]}</span>}
      </div>
      <WebhookState status={status} />
    </li>
  );
}
