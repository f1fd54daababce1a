import { keepPreviousData, type QueryClient, queryOptions, useQuery } from '@tanstack/react-query';
import { api, type Schemas, unwrap } from './client';

export type Task = Schemas['TaskDto'];
export type TaskSummary = Schemas['TaskSummaryDto'];
export type Card = Schemas['AgentCardDto'];
export type Agent = Schemas['AgentDto'];
export type Version = Schemas['VersionDto'];

/** The most agents that lists read; beyond them the page says that there are more. */
const MAX_AGENTS = 1000;

export const taskOptions = (id: string) =>
  queryOptions({
    queryKey: ['task', id],
    queryFn: () => unwrap(api.GET('/api/v1/tasks/{id}', { params: { path: { id } } })) as Promise<Task>,
    placeholderData: keepPreviousData,
  });

export const useTaskCount = () =>
  useQuery({
    queryKey: ['tasks', 'any'],
    queryFn: () => unwrap(api.GET('/api/v1/tasks', { params: { query: { limit: 1 } } })),
  });

/** All agents of the market, page by page. */
export const marketOptions = queryOptions({
  queryKey: ['market'],
  queryFn: async () => {
    const items: Card[] = [];
    let cursor: string | undefined;
    do {
      const page = await unwrap(api.GET('/api/v1/agents', { params: { query: { limit: 100, cursor } } }));
      items.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor && items.length < MAX_AGENTS);
    return { items, isCut: Boolean(cursor) };
  },
  staleTime: 30_000,
});

export const useMarket = () => useQuery(marketOptions);

export const useCard = (id: string) =>
  useQuery({
    queryKey: ['card', id],
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}/card', { params: { path: { id } } })),
    staleTime: 30_000,
  });

/** An agent's name for its id, from the market; undefined while unknown, and for agents that have left the market. */
export function useAgentNames(): (id: string | null) => string | undefined {
  const { data } = useMarket();
  const names = new Map(data?.items.map(({ id, name }) => [id, name]));
  return (id) => (id ? names.get(id) : undefined);
}

export const useVersions = (id: string) =>
  useQuery({
    queryKey: ['versions', id],
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}/versions', { params: { path: { id }, query: { limit: 100 } } })),
  });

export const useMyAgents = () =>
  useQuery({
    queryKey: ['agents', 'mine'],
    queryFn: () => unwrap(api.GET('/api/v1/agents', { params: { query: { mine: true, limit: 100 } } })),
  });

/** An agent of one's own, with what its card leaves out. */
export const useAgent = (id: string) =>
  useQuery({
    queryKey: ['agent', id],
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}', { params: { path: { id } } })) as Promise<Agent>,
  });

export function forgetAgent(queries: QueryClient, id?: string): void {
  for (const queryKey of [
    ['agents'],
    ['market'],
    ...(id
      ? [
          ['agent', id],
          ['versions', id],
          ['card', id],
        ]
      : []),
  ])
    void queries.invalidateQueries({ queryKey });
}
