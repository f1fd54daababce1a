import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';

export type Simulation = Schemas['SimulatedAuctionDto'];

const DEBOUNCE_MS = 150;

/** @returns the value once it has not changed for a moment */
function useSettled<T>(value: T): T {
  const text = JSON.stringify(value);
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled === undefined ? (undefined as T) : (JSON.parse(settled) as T);
}

/** Holds the auction of a task that is not submitted. The old answer stays until the next is there. */
export function useSimulation(body: Schemas['SubmitTaskDto'] | undefined) {
  const settled = useSettled(body);
  return useQuery({
    queryKey: ['simulation', settled],
    queryFn: ({ signal }) =>
      unwrap(api.POST('/api/v1/auctions/simulate', { body: settled!, signal })) as Promise<Simulation>,
    enabled: settled !== undefined,
    placeholderData: keepPreviousData,
    staleTime: 5000,
    gcTime: 60_000,
  });
}
