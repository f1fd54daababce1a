import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { api, unwrap } from '../api/client';
import { taskOptions, useMarket } from '../api/queries';
import { credits } from '../lib/format';
import { randomId } from '../lib/ids';
import { Button, Field, Segments } from '../ui/basics';
import { ProblemPanel } from '../ui/problem';
import { AuctionPanel } from './new-task/auction-panel';
import { AllowField } from './new-task/allow-field';
import { type Ask, BudgetField } from './new-task/budget-field';
import { CapabilitiesField } from './new-task/capabilities-field';
import { bodyOf, type Draft, draftOf, EMPTY } from './new-task/draft';
import { InputField } from './new-task/input-field';
import { MoreFields } from './new-task/more-fields';
import { type Simulation, useSimulation } from './new-task/simulate';

const route = getRouteApi('/new');

/** The form, and beside it the auction it would lead to. */
export function NewTask() {
  const { capabilities, from } = route.useSearch();
  const other = useQuery({ ...taskOptions(from ?? ''), enabled: Boolean(from) });
  const begin: Draft = { ...EMPTY, capabilities: capabilities?.split(',') ?? [] };
  if (from && !other.data)
    return other.error ? <Failed error={other.error} /> : <main className="page" aria-busy="true" />;
  return <Form key={from ?? ''} begin={other.data ? draftOf(other.data) : begin} />;
}

function Failed({ error }: { error: unknown }) {
  return (
    <main className="page">
      <ProblemPanel error={error} />
    </main>
  );
}

function Form({ begin }: { begin: Draft }) {
  const [draft, setDraft] = useState(begin);
  const navigate = useNavigate();
  const body = bodyOf(draft);
  const simulation = useSimulation(body);
  const asks = useAsks(draft.capabilities, simulation.data);
  const change = (part: Partial<Draft>): void => setDraft((now) => ({ ...now, ...part }));

  const key = useMemo(() => randomId(), [JSON.stringify(body)]); // submitting an unchanged form twice stores one task
  const submission = useMutation({
    mutationFn: () =>
      unwrap(api.POST('/api/v1/tasks', { body: body!, params: { header: { 'Idempotency-Key': key } } })),
    onSuccess: ({ id }) => void navigate({ to: '/tasks/$taskId', params: { taskId: id } }),
  });
  const submit = (): void => {
    if (body && !submission.isPending) submission.mutate();
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) submit();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });

  const [winner] = simulation.data?.bids ?? [];
  const dearer = asks.map(({ price }) => price).filter((price) => price > draft.budget);
  return (
    <main className="page">
      <div className="pagehead">
        <h1>New task</h1>
      </div>
      <div className="make">
        <form
          className="form"
          onSubmit={(event) => {
            event.preventDefault();
            submit();
          }}
        >
          <CapabilitiesField value={draft.capabilities} onChange={(value) => change({ capabilities: value })} />
          <InputField draft={draft} onChange={change} />
          <Field
            label="Title"
            hint="optional, for you"
            value={draft.description}
            onChange={(event) => change({ description: event.target.value })}
          />
          <BudgetField
            budget={draft.budget}
            onChange={(budget) => change({ budget })}
            asks={asks}
            winner={winner?.agent_id}
            bidders={simulation.data?.bids.length ?? 0}
          />
          <div className="field">
            <div className="lab">Priority</div>
            <Segments
              label="Priority"
              value={draft.priority ?? 'normal'}
              options={[
                ['low', 'Low'],
                ['normal', 'Normal'],
                ['high', 'High'],
                ['critical', 'Critical'],
              ]}
              onChange={(priority) => change({ priority })}
            />
          </div>
          <AllowField draft={draft} onChange={change} />
          <MoreFields draft={draft} onChange={change} />
          <div className="submit">
            {submission.error && <ProblemPanel error={submission.error} />}
            <Button type="submit" look="primary" disabled={!body} busy={submission.isPending}>
              Submit for at most {credits(draft.budget + (Number(draft.maxHostCost) || 0))}
            </Button>
            <p className="hint">
              {winner
                ? `You pay what the winner asks: ${credits(winner.price)} as it stands. Other agents may bid by then.`
                : 'Nothing is charged until an agent completes the task.'}
              {Number(draft.maxHostCost) > 0 && ' Host calls are charged whatever the end.'}
            </p>
          </div>
        </form>
        <AuctionPanel
          simulation={simulation.data}
          error={simulation.error}
          isStale={simulation.isPlaceholderData}
          budget={draft.budget}
          sufficient={dearer.length > 0 ? Math.min(...dearer) : undefined}
          onBudget={(budget) => change({ budget })}
          weights={draft.weights}
          onWeights={(weights) => change({ weights })}
        />
      </div>
    </main>
  );
}

/** What the agents ask that could do the task: their bids, and the prices on the cards of those that do not bid. */
function useAsks(capabilities: string[], simulation: Simulation | undefined): Ask[] {
  const { data } = useMarket();
  const bids = new Map(simulation?.bids.map(({ agent_id, price }) => [agent_id, price]));
  const excluded = new Set(simulation?.excluded.map(({ agent_id }) => agent_id));
  const able = (data?.items ?? []).filter(
    (card) =>
      bids.has(card.id) ||
      excluded.has(card.id) ||
      (capabilities.length > 0 && card.version && card.capabilities.some((name) => capabilities.includes(name))),
  );
  return able.map(({ id, price }) => ({ id, price: bids.get(id) ?? price }));
}
