import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { type Card, useMarket } from '../api/queries';
import { count, credits, duration, percent, plural } from '../lib/format';
import { Button, Empty, Loading } from '../ui/basics';
import { Glyph } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';
import { PriceAndRating } from './market/price-and-rating';

type Order = 'name' | 'price' | 'rating' | 'success' | 'time' | 'done';

/** Chips shown before "more". */
const CHIPS = 7;
/** An agent this much slower than it says is late. */
const LATE = 1.25;
const LOW_SUCCESS = 0.9;

const KEYS: Record<Order, (card: Card) => number | string> = {
  name: ({ name }) => name.toLowerCase(),
  price: ({ price }) => price,
  rating: ({ statistics }) => -statistics.rating,
  success: ({ statistics }) => -(statistics.success_rate ?? -1),
  time: ({ statistics }) => statistics.estimated_ms,
  done: ({ statistics }) => -statistics.tasks_completed,
};

export function Market() {
  const { data, error } = useMarket();
  const [query, setQuery] = useState('');
  const [capability, setCapability] = useState<string>();
  const [order, setOrder] = useState<Order>('rating');
  const agents = useMemo(() => (data?.items ?? []).filter(({ version }) => version), [data]);
  const shown = useMemo(() => {
    const words = query.toLowerCase();
    const key = KEYS[order];
    return agents
      .filter(({ name, description, slug, capabilities }) =>
        [name, description, slug, ...capabilities].some((text) => text.toLowerCase().includes(words)),
      )
      .filter(({ capabilities }) => !capability || capabilities.includes(capability))
      .sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.name < b.name ? -1 : 1));
  }, [agents, query, capability, order]);

  if (error)
    return (
      <main className="page">
        <ProblemPanel error={error} />
      </main>
    );
  const head = (name: Order, text: string, isNumber = true) => (
    <th className={isNumber ? 'num' : ''} aria-sort={order === name ? SORTS[name] : undefined}>
      <button type="button" className="sort" onClick={() => setOrder(name)}>
        {text}
        {order === name && <span aria-hidden="true"> {SORTS[name] === 'ascending' ? '↑' : '↓'}</span>}
      </button>
    </th>
  );
  return (
    <main className="page">
      <div className="pagehead">
        <div>
          <h1>Market</h1>
          <Lead agents={agents} isLoaded={Boolean(data)} />
        </div>
      </div>
      <div className="tools">
        <label className="find big">
          <Glyph name="search" />
          <span className="sr">Search agents</span>
          <input
            data-search
            placeholder="Search by name, text or capability"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <kbd>/</kbd>
        </label>
        <Capabilities agents={agents} chosen={capability} onChange={setCapability} />
      </div>
      <div className="withplot">
        <section className="panel scroll" aria-label="Agents" tabIndex={0}>
          {!data ? (
            <Loading lines={6} />
          ) : shown.length === 0 ? (
            <NothingFound
              hasAgents={agents.length > 0}
              onAll={() => {
                setQuery('');
                setCapability(undefined);
              }}
            />
          ) : (
            <table className="tbl list agents">
              <thead>
                <tr>
                  {head('name', 'Agent', false)}
                  {head('price', 'Price')}
                  <th>Cheapest to dearest</th>
                  {head('rating', 'Rating')}
                  {head('success', 'Success')}
                  {head('time', 'Est. time')}
                  <th className="num">Against promise</th>
                  {head('done', 'Done')}
                  <th>
                    <span className="sr">Act</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((card) => (
                  <AgentRow key={card.id} card={card} among={shown} />
                ))}
              </tbody>
            </table>
          )}
        </section>
        {shown.length > 1 && <PriceAndRating cards={shown} />}
      </div>
      {shown.length > 0 && (
        <p className="hint below">
          {data?.isCut && 'Only the first thousand agents are read. '}
          Price: where the agent stands between the cheapest and the dearest of the list; the stroke is the median.
          Against promise: how long runs took, as a multiple of what the bids said.
        </p>
      )}
    </main>
  );
}

const SORTS: Record<Order, 'ascending' | 'descending'> = {
  ...{ name: 'ascending', price: 'ascending', rating: 'descending' },
  ...{ success: 'descending', time: 'ascending', done: 'descending' },
};

function Lead({ agents, isLoaded }: { agents: readonly Card[]; isLoaded: boolean }) {
  if (!isLoaded) return <p className="lead">Looking …</p>;
  if (agents.length === 0) return <p className="lead">No agent bids for work here yet.</p>;
  const done = agents.reduce((sum, { statistics }) => sum + statistics.tasks_completed, 0);
  const failed = agents.reduce((sum, { statistics }) => sum + statistics.attempts_failed, 0);
  return (
    <p className="lead">
      <b>{plural(agents.length, 'agent')}</b> {agents.length === 1 ? 'bids' : 'bid'} for work, at a median price of{' '}
      <b>{credits(median(agents), 2)}</b> credits a task.{' '}
      {done + failed > 0 && (
        <>
          <b>{percent(done / (done + failed))}</b> of {plural(done + failed, 'attempt')} completed.
        </>
      )}
    </p>
  );
}

function median(cards: readonly Card[]): number {
  const prices = cards.map(({ price }) => price).sort((a, b) => a - b);
  const middle = Math.floor(prices.length / 2);
  return prices.length % 2 ? prices[middle] : (prices[middle - 1] + prices[middle]) / 2;
}

interface CapabilitiesProps {
  agents: readonly Card[];
  chosen: string | undefined;
  onChange: (capability: string | undefined) => void;
}

function Capabilities({ agents, chosen, onChange }: CapabilitiesProps) {
  const [isOpen, setOpen] = useState(false);
  const numbers = new Map<string, number>();
  for (const { capabilities } of agents)
    for (const name of capabilities) numbers.set(name, (numbers.get(name) ?? 0) + 1);
  const all = [...numbers].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const chips = isOpen ? all : all.slice(0, CHIPS);
  return (
    <div className="caps" role="group" aria-label="Capabilities">
      {chips.map(([name, number]) => (
        <button
          key={name}
          type="button"
          aria-pressed={name === chosen}
          onClick={() => onChange(name === chosen ? undefined : name)}
        >
          {name} <small>{number}</small>
        </button>
      ))}
      {all.length > CHIPS && (
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Fewer' : `${all.length - CHIPS} more`}
        </button>
      )}
    </div>
  );
}

function AgentRow({ card, among }: { card: Card; among: readonly Card[] }) {
  const { id, name, description, price, capabilities, statistics } = card;
  const { rating, rating_count, success_rate, estimated_ms, actual_to_estimate, tasks_completed } = statistics;
  const prices = among.map((other) => other.price);
  const [low, high] = [Math.min(...prices), Math.max(...prices)];
  const at = (value: number): string => `${high === low ? 50 : ((value - low) / (high - low)) * 100}%`;
  const isLate = (actual_to_estimate ?? 0) > LATE;
  return (
    <tr>
      <td className="who2">
        <Link to="/market/$agentId" params={{ agentId: id }}>
          <b>{name}</b>
        </Link>
        <span className="cut" title={description}>
          {description || capabilities.join(', ')}
        </span>
      </td>
      <td className="num strong">{credits(price)}</td>
      <td>
        <div className="dot" aria-hidden="true">
          <u style={{ left: at(median(among)) }} />
          <i style={{ left: at(price) }} />
        </div>
      </td>
      <td className="num">
        {rating.toFixed(2)} <span className="dim votes-count">{count(rating_count)}</span>
      </td>
      <td className="num">
        {success_rate === null ? (
          <span className="dim">–</span>
        ) : (
          <span className={success_rate < LOW_SUCCESS ? 'late' : ''}>{percent(success_rate)}</span>
        )}
      </td>
      <td className="num">{duration(estimated_ms)}</td>
      <td className={`num${isLate ? ' late' : ''}`}>
        {actual_to_estimate === null ? (
          <span className="dim">–</span>
        ) : (
          `${isLate ? 'late, ' : ''}× ${actual_to_estimate.toFixed(2)}`
        )}
      </td>
      <td className="num">{count(tasks_completed)}</td>
      <td className="num">
        <Link className="btn small quiet" to="/new" search={{ capabilities: capabilities.join(',') }}>
          Try it<span className="sr">: {name}</span>
        </Link>
      </td>
    </tr>
  );
}

function NothingFound({ hasAgents, onAll }: { hasAgents: boolean; onAll: () => void }) {
  if (hasAgents)
    return (
      <Empty title="No agent fits this search" action={<Button onClick={onAll}>Show all agents</Button>}>
        Search by another word, or without a capability.
      </Empty>
    );
  return (
    <Empty
      title="No agents yet"
      action={
        <Link className="btn" to="/agents/upload" search={{}}>
          Upload an agent
        </Link>
      }
    >
      An agent appears here when it has an active version.
    </Empty>
  );
}
