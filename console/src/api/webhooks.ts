import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { type FeedEvent, passes } from '../lib/events';
import { api, type Schemas, unwrap } from './client';
import { onOwnEvents } from './feed';

export type Webhook = Schemas['WebhookDto'];
export type NewWebhook = Schemas['NewWebhookDto'];
export type Delivery = Schemas['DeliveryDto'];

/** A page reads again at most so often while events arrive, ms. */
const REFRESH_MS = 1000;
/** How long a page waits for the result of a request after it is due, ms. */
const SHORTEST_WAIT_MS = 1500;
const LONGEST_WAIT_MS = 30_000;
/** A page sets no longer timer, ms. */
const LONGEST_TIMER_MS = 86_400_000;

export const useWebhooks = () =>
  useQuery({
    queryKey: ['webhooks'],
    queryFn: () => unwrap(api.GET('/api/v1/webhooks', { params: { query: { limit: 100 } } })),
  });

export const useWebhook = (id: string) =>
  useQuery({
    queryKey: ['webhooks', id],
    queryFn: () => unwrap(api.GET('/api/v1/webhooks/{id}', { params: { path: { id } } })) as Promise<Webhook>,
  });

/** Deliveries of a webhook, newest first, page by page. */
export const useDeliveries = (id: string, state: Delivery['state'] | undefined) =>
  useInfiniteQuery({
    queryKey: ['webhooks', id, 'deliveries', state],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET('/api/v1/webhooks/{id}/deliveries', {
          params: { path: { id }, query: { state, limit: 50, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** One delivery, for links to deliveries that the list does not show. */
export const useDelivery = (id: string, delivery: string | undefined) =>
  useQuery({
    queryKey: ['webhooks', id, 'delivery', delivery],
    queryFn: () =>
      unwrap(
        api.GET('/api/v1/webhooks/{id}/deliveries/{delivery}', { params: { path: { id, delivery: delivery! } } }),
      ) as Promise<Delivery>,
    enabled: delivery !== undefined,
  });

/** Forgets what was read of webhooks, after an act that changed one. */
export function useWebhookRenewal(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: ['webhooks'] });
}

/** Reads webhooks again when the feed says that one was disabled, or that this one has an event to send. */
export function useWebhookNews(webhook?: Webhook): void {
  const queries = useQueryClient();
  const events = webhook?.events;
  const agents = webhook?.agents;
  useEffect(() => {
    let timer: number | undefined;
    const concerns = (event: FeedEvent): boolean =>
      event.type === 'webhook.disabled' || Boolean(events && agents && passes({ events, agents }, event));
    const stop = onOwnEvents((arrived) => {
      if (!arrived.some(concerns)) return;
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ['webhooks'] });
      }, REFRESH_MS);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [queries, events, agents]);
}

/**
 * Reads a webhook again once its next request is due. The feed has no events about deliveries, so this waits for the time
 * that the server named. Without a waiting delivery it asks nothing.
 */
export function useNextRequest(status: Webhook['status'], deliveries: readonly Delivery[]): void {
  const queries = useQueryClient();
  useEffect(() => {
    const due = Math.min(...deliveries.map(({ next_attempt_at: at }) => (at ? Date.parse(at) : Infinity)));
    if (status !== 'active' || due === Infinity) return;
    let timer: number | undefined;
    let isOver = false;
    const wait = (): void => {
      if (isOver) return;
      timer = window.setTimeout(() => {
        void queries.invalidateQueries({ queryKey: ['webhooks'] }).then(wait);
      }, pauseUntil(due));
    };
    wait();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [queries, status, deliveries]);
}

/** @returns ms until it is worth to ask again: soon after a request is due, then ever less often */
function pauseUntil(due: number): number {
  const late = Date.now() - due;
  if (late < 0) return Math.min(SHORTEST_WAIT_MS - late, LONGEST_TIMER_MS);
  return Math.min(Math.max(late, SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
}
