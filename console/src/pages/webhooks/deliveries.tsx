import { useMutation } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { api, unwrap } from '../../api/client';
import {
  type Delivery,
  useDeliveries,
  useDelivery,
  useNextRequest,
  useWebhookRenewal,
  type Webhook,
} from '../../api/webhooks';
import { clock, duration, plural, relative } from '../../lib/format';
import { Button, Empty, Id, KeyValues, Loading, Panel, Segments, Time, useNow } from '../../ui/basics';
import { Glyph } from '../../ui/glyph';
import { ProblemPanel } from '../../ui/problem';
import { answerOf, DeliveryState } from './state';

const route = getRouteApi('/account/webhooks/$webhookId');

type Choice = Delivery['state'] | 'all';
const CHOICES: readonly (readonly [Choice, string])[] = [
  ['all', 'All'],
  ['pending', 'Waiting'],
  ['delivered', 'Delivered'],
  ['failed', 'Failed'],
];

/** What was sent and what waits. The address names the outcome that is shown and the delivery that is open. */
export function DeliveriesPanel({ webhook }: { webhook: Webhook }) {
  const { state, delivery: openId } = route.useSearch();
  const navigate = useNavigate();
  const choice = CHOICES.some(([name]) => name === state) ? (state as Choice) : 'all';
  const deliveries = useDeliveries(webhook.id, choice === 'all' ? undefined : choice);
  const items = useMemo(() => deliveries.data?.pages.flatMap((page) => page.items) ?? [], [deliveries.data]);
  const isListed = items.some(({ id }) => id === openId);
  const linked = useDelivery(webhook.id, openId && deliveries.data && !isListed ? openId : undefined);
  const shown = useMemo(
    () => (linked.data && !isListed ? [linked.data, ...items] : items),
    [linked.data, isListed, items],
  );
  useNextRequest(webhook.status, shown);
  const go = (next: { state?: string; delivery?: string }): void => void navigate({ to: '.', search: next });
  return (
    <Panel
      title="Deliveries"
      className="deliveries-panel"
      end={
        <Segments
          label="Outcome"
          value={choice}
          options={CHOICES}
          onChange={(next) => go(next === 'all' ? {} : { state: next })}
        />
      }
    >
      {linked.error && !isListed && openId && <ProblemPanel error={linked.error} />}
      {deliveries.error ? (
        <ProblemPanel error={deliveries.error} />
      ) : !deliveries.data ? (
        <Loading />
      ) : shown.length === 0 ? (
        <None choice={choice} onAll={() => go({})} />
      ) : (
        <ul className="deliveries" aria-label="Deliveries">
          {shown.map((delivery) => (
            <Row
              key={delivery.id}
              delivery={delivery}
              webhook={webhook}
              isOpen={delivery.id === openId}
              onToggle={() => go({ state, delivery: delivery.id === openId ? undefined : delivery.id })}
            />
          ))}
        </ul>
      )}
      {deliveries.hasNextPage && (
        <div className="in row">
          <Button small busy={deliveries.isFetchingNextPage} onClick={() => void deliveries.fetchNextPage()}>
            Show older deliveries
          </Button>
        </div>
      )}
    </Panel>
  );
}

function None({ choice, onAll }: { choice: Choice; onAll: () => void }) {
  if (choice === 'all')
    return (
      <Empty title="No deliveries yet">
        Each event that passes the filters shows here. Send a ping to see whether the receiver accepts it.
      </Empty>
    );
  const word = CHOICES.find(([name]) => name === choice)![1].toLowerCase();
  return (
    <Empty title={`No delivery is ${word}`} action={<Button onClick={onAll}>Show all deliveries</Button>}>
      The last 1,000 that ended are kept.
    </Empty>
  );
}

interface RowProps {
  delivery: Delivery;
  webhook: Webhook;
  isOpen: boolean;
  onToggle: () => void;
}

function Row({ delivery, webhook, isOpen, onToggle }: RowProps) {
  const { id, type, state, attempts, created_at } = delivery;
  const renew = useWebhookRenewal();
  const replay = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST('/api/v1/webhooks/{id}/deliveries/{delivery}/replay', {
          params: { path: { id: webhook.id, delivery: id } },
        }),
      ),
    onSuccess: renew,
  });
  const last = attempts.at(-1);
  return (
    <li className={isOpen ? 'open' : ''}>
      <button type="button" className="delivery" aria-expanded={isOpen} onClick={onToggle}>
        <Glyph name={isOpen ? 'down' : 'chev'} />
        <DeliveryState state={state} />
        <span className="type">{type}</span>
        <span className="answer">{last ? answerOf(last) : ''}</span>
        <span className="when">
          <Time at={created_at} />
        </span>
      </button>
      {isOpen && (
        <div className="delivery-more">
          <Details delivery={delivery} webhook={webhook} />
          <div className="row">
            <Button
              small
              glyph="retry"
              busy={replay.isPending}
              disabled={webhook.status !== 'active'}
              onClick={() => replay.mutate()}
            >
              {state === 'pending' ? 'Try now' : 'Replay'}
            </Button>
            {webhook.status !== 'active' && <span className="dim">Activate the webhook first</span>}
          </div>
          {replay.error && <ProblemPanel error={replay.error} />}
        </div>
      )}
    </li>
  );
}

function Details({ delivery, webhook }: { delivery: Delivery; webhook: Webhook }) {
  const { message_id, seq, task_id, attempts } = delivery;
  return (
    <>
      <KeyValues
        rows={[
          ['Message', <Id key="id" id={message_id} what="the webhook-id" />],
          seq === null ? null : ['Event', String(seq)],
          task_id === null
            ? null
            : [
                'Task',
                <Link key="task" className="mono" to="/tasks/$taskId" params={{ taskId: task_id }}>
                  {task_id.slice(0, 8)}
                </Link>,
              ],
          nextTry(delivery, webhook),
        ]}
      />
      {attempts.length === 0 ? (
        <p className="mute">No request was sent yet.</p>
      ) : (
        <div className="scroll" tabIndex={0} role="group" aria-label="Requests">
          <table className="tbl">
            <caption className="sr">{plural(attempts.length, 'request')}, oldest first</caption>
            <thead>
              <tr>
                <th>Sent</th>
                <th className="num">HTTP status</th>
                <th className="num">Time</th>
                <th>Fault</th>
              </tr>
            </thead>
            <tbody>
              {attempts.map(({ at, status, duration_ms, code }) => (
                <tr key={at}>
                  <td>
                    <Time at={at} ms />
                  </td>
                  <td className="num">{status ?? 'None'}</td>
                  <td className="num">{duration(duration_ms)}</td>
                  <td className={code ? 'mono error' : 'dim'}>{code ?? 'Accepted'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function nextTry({ next_attempt_at: at }: Delivery, { status }: Webhook): readonly [string, ReactNode] | null {
  if (at === null) return null;
  return ['Next try', status === 'active' ? <NextTry key="next" at={at} /> : 'When the webhook is active'];
}

function NextTry({ at }: { at: string }) {
  const now = useNow(1000);
  if (Date.parse(at) <= now) return <>Now</>;
  return (
    <time dateTime={at}>
      {clock(at)} <span className="dim">· {relative(at, now)}</span>
    </time>
  );
}
