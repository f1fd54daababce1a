import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api, type Schemas, unwrap } from './client';
import { onOwnEvents } from './feed';

export type Dispute = Schemas['DisputeDto'];
export type Payout = Schemas['PayoutDto'];
export type SpendingLimit = Schemas['SpendingLimitDto'];
export type Transfer = Schemas['TransferDto'];

/** Money is read again at most so often while tasks settle, ms. */
const REFRESH_MS = 1000;

export const useBalance = () =>
  useQuery({ queryKey: ['ledger', 'balance'], queryFn: () => unwrap(api.GET('/api/v1/ledger/balance')) });

/** Limits of the account and of its API keys. */
export const useSpendingLimits = () =>
  useQuery({ queryKey: ['ledger', 'limits'], queryFn: () => unwrap(api.GET('/api/v1/ledger/limits')) });

/** The user's own transfers, newest first, page by page. */
export const useTransfers = (kind: Transfer['kind'] | undefined) =>
  useInfiniteQuery({
    queryKey: ['ledger', 'transfers', kind],
    queryFn: ({ pageParam }) =>
      unwrap(api.GET('/api/v1/ledger/transfers', { params: { query: { kind, limit: 50, cursor: pageParam } } })),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** @param month such as `2026-11` */
export const useStatement = (month: string) =>
  useQuery({
    queryKey: ['ledger', 'statement', month],
    queryFn: () =>
      unwrap(api.GET('/api/v1/ledger/statement', { params: { query: { month, limit: 2 } } })) as Promise<
        Schemas['StatementDto']
      >,
    enabled: /^\d{4}-\d{2}$/.test(month),
  });

/** @param query `all`: of every account, for admins */
export const usePayouts = (query: { all?: boolean; status?: Payout['status'] } = {}) =>
  useQuery({
    queryKey: ['ledger', 'payouts', query],
    queryFn: () => unwrap(api.GET('/api/v1/ledger/payouts', { params: { query: { limit: 100, ...query } } })),
  });

/** @param query `all`: of every account, for admins */
export const useDisputes = (query: { all?: boolean; status?: Dispute['status'] } = {}) =>
  useQuery({
    queryKey: ['ledger', 'disputes', query],
    queryFn: () => unwrap(api.GET('/api/v1/ledger/disputes', { params: { query: { limit: 100, ...query } } })),
  });

/** Forgets what was read of the ledger, after an act that changed it. */
export function useLedgerRenewal(): () => Promise<void> {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: ['ledger'] });
}

/** Reads the ledger again when the user's events say that money moved. */
export function useLedgerNews(): void {
  const queries = useQueryClient();
  useEffect(() => {
    let timer: number | undefined;
    const stop = onOwnEvents((events) => {
      if (!events.some(({ type }) => type.startsWith('ledger.') || MOVES_MONEY.has(type))) return;
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ['ledger'] });
      }, REFRESH_MS);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [queries]);
}

const MOVES_MONEY = new Set<string>(['task.queued', 'task.completed', 'task.failed', 'task.cancelled']);
