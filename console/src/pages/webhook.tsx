import { useMutation } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type Schemas, unwrap } from '../api/client';
import { useAgentNames } from '../api/queries';
import { type Delivery, useWebhook, useWebhookNews, useWebhookRenewal, type Webhook } from '../api/webhooks';
import { count, shortDate, shortId } from '../lib/format';
import { Ago, Button, Copy, Facts, KeyValues, Loading, Panel, Tag } from '../ui/basics';
import { Confirm } from '../ui/dialog';
import { ProblemPanel } from '../ui/problem';
import { toast } from '../ui/toasts';
import { DeliveriesPanel } from './webhooks/deliveries';
import { WebhookForm } from './webhooks/form';
import { ReplayPanel } from './webhooks/replay';
import { SecretPanel } from './webhooks/secret';
import { WebhookState, whyDisabled } from './webhooks/state';

const route = getRouteApi('/account/webhooks/$webhookId');

/** One webhook: what it sent, what waits, and what can be changed. */
export function WebhookPage() {
  const { webhookId } = route.useParams();
  const webhook = useWebhook(webhookId);
  useWebhookNews(webhook.data);
  if (webhook.error)
    return (
      <main className="page">
        <ProblemPanel error={webhook.error} action={<Link to="/account/webhooks">To your webhooks</Link>} />
      </main>
    );
  return (
    <main className="page">
      {webhook.data ? <Loaded key={webhookId} webhook={webhook.data} /> : <Loading lines={5} />}
    </main>
  );
}

function Loaded({ webhook }: { webhook: Webhook }) {
  const { id, url, description, status, failures, last_success_at, created_at } = webhook;
  const navigate = useNavigate();
  const renew = useWebhookRenewal();
  const [isDeleting, setDeleting] = useState(false);
  const change = useUpdate(id);
  const ping = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/webhooks/{id}/ping', { params: { path: { id } } })) as Promise<Delivery>,
    onSuccess: async (delivery) => {
      await renew();
      await navigate({ to: '.', search: { delivery: delivery.id } });
    },
  });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE('/api/v1/webhooks/{id}', { params: { path: { id } } })),
    onSuccess: async () => {
      toast('Deleted.');
      await navigate({ to: '/account/webhooks' });
      return renew();
    },
  });
  const error = change.error ?? ping.error;
  return (
    <>
      <div className="pagehead tight">
        <div>
          <nav className="crumb" aria-label="Where this is">
            <Link to="/account">Account</Link>
            <span>/</span>
            <Link to="/account/webhooks">Webhooks</Link>
            <span>/</span>
            <span className="mono">{shortId(id)}</span>
            <Copy text={id} what="the webhook’s id" />
          </nav>
          <div className="title">
            <h1>{new URL(url).host}</h1>
            <WebhookState status={status} />
          </div>
          {description && <p className="lead">{description}</p>}
        </div>
        <div className="acts">
          <Button small className="danger" onClick={() => setDeleting(true)}>
            Delete
          </Button>
          {status === 'active' ? (
            <Button small busy={change.isPending} onClick={() => change.mutate({ status: 'paused' })}>
              Pause
            </Button>
          ) : (
            <Button small look="primary" busy={change.isPending} onClick={() => change.mutate({ status: 'active' })}>
              Activate
            </Button>
          )}
          {status === 'active' && (
            <Button small look="primary" glyph="flow" busy={ping.isPending} onClick={() => ping.mutate()}>
              Send a ping
            </Button>
          )}
        </div>
      </div>
      {error && <ProblemPanel error={error} />}
      <Stopped webhook={webhook} />
      <div className="summary">
        <Facts
          facts={[
            ['Last accepted', last_success_at ? <Ago key="last" at={last_success_at} /> : 'Nothing yet'],
            ['Failed since', count(failures)],
            ['Made', shortDate(created_at)],
          ]}
        />
      </div>
      <div className="two">
        <div className="stack">
          <DeliveriesPanel webhook={webhook} />
        </div>
        <div className="stack">
          <Settings webhook={webhook} />
          <SecretPanel webhook={webhook} />
          <ReplayPanel webhook={webhook} />
        </div>
      </div>
      {isDeleting && (
        <Confirm
          title={`Delete the webhook to ${new URL(url).host}?`}
          action="Delete the webhook"
          busy={remove.isPending}
          error={remove.error && <ProblemPanel error={remove.error} />}
          onConfirm={() => remove.mutate()}
          onClose={() => setDeleting(false)}
        >
          <p className="mute">
            What waits is not sent, and its deliveries are forgotten. To stop it for a while, pause it instead.
          </p>
        </Confirm>
      )}
    </>
  );
}

/** Changes a webhook. The answer is a mutation that keeps its error. */
function useUpdate(id: string) {
  const renew = useWebhookRenewal();
  return useMutation({
    mutationFn: (body: Schemas['UpdateWebhookDto']) =>
      unwrap(api.PATCH('/api/v1/webhooks/{id}', { params: { path: { id } }, body })),
    onSuccess: renew,
  });
}

/** Why nothing is sent, and how to go on. */
function Stopped({ webhook: { status, disabled_reason } }: { webhook: Webhook }) {
  if (status === 'active') return null;
  const [why, next] =
    status === 'paused'
      ? ['It is paused: nothing is sent and nothing is lost.', 'Activate it to ping it and to replay events.']
      : whyDisabled(disabled_reason);
  return (
    <div className={`stopped ${status}`} role="status">
      <p>
        <b>{why}</b> {next} What waits and what came meanwhile is then sent.
      </p>
    </div>
  );
}

function Settings({ webhook }: { webhook: Webhook }) {
  const [isOpen, setOpen] = useState(false);
  const nameOf = useAgentNames();
  const change = useUpdate(webhook.id);
  const { url, events, agents } = webhook;
  const submit = (body: Schemas['UpdateWebhookDto']): void =>
    change.mutate(body, {
      onSuccess: () => {
        toast('Changed.');
        setOpen(false);
      },
    });
  return (
    <Panel
      title="What is sent where"
      end={
        <Button small aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Change
        </Button>
      }
    >
      {isOpen ? (
        <WebhookForm
          webhook={webhook}
          action="Change the webhook"
          error={change.error}
          busy={change.isPending}
          onSubmit={submit}
          onCancel={() => setOpen(false)}
        />
      ) : (
        <div className="in">
          <KeyValues
            rows={[
              [
                'URL',
                <span key="url">
                  {url} <Copy text={url} what="the URL" />
                </span>,
              ],
              ['Events', events.length === 0 ? 'All' : <Tags key="events" texts={events} />],
              [
                'Agents',
                agents.length === 0 ? (
                  'All'
                ) : (
                  <Tags key="agents" texts={agents.map((id) => nameOf(id) ?? shortId(id))} />
                ),
              ],
            ]}
          />
        </div>
      )}
    </Panel>
  );
}

const Tags = ({ texts }: { texts: readonly string[] }) => (
  <span className="tags">
    {texts.map((text) => (
      <Tag key={text}>{text}</Tag>
    ))}
  </span>
);
