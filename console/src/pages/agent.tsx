import { getRouteApi, Link } from '@tanstack/react-router';
import { useCard, useVersions } from '../api/queries';
import { count, credits, duration, memory, percent } from '../lib/format';
import { permissionWords } from '../lib/permissions';
import { Copy, Facts, Loading, Tag } from '../ui/basics';
import { ProblemPanel } from '../ui/problem';
import { Validation } from './agent/validation';
import { VersionsPanel } from './agent/versions';

const route = getRouteApi('/market/$agentId');

/** What buyers see of an agent. */
export function AgentPage() {
  const { agentId } = route.useParams();
  const card = useCard(agentId);
  const versions = useVersions(agentId);
  if (card.error)
    return (
      <main className="page">
        <ProblemPanel error={card.error} action={<Link to="/market">To the market</Link>} />
      </main>
    );
  if (!card.data)
    return (
      <main className="page">
        <Loading lines={5} />
      </main>
    );
  const { id, name, slug, description, capabilities, price, region, version, permissions, statistics } = card.data;
  const { tasks_completed, attempts_failed, rating, rating_count, success_rate } = statistics;
  const ratio = statistics.actual_to_estimate;
  const active = versions.data?.items.find((it) => it.active);
  return (
    <main className="page">
      <div className="pagehead tight">
        <div>
          <nav className="crumb" aria-label="Where this is">
            <Link to="/market">Market</Link>
            <span>/</span>
            <span>{slug}</span>
            <Copy text={id} what="the agent’s id" />
          </nav>
          <div className="title">
            <h1>{name}</h1>
            {version ? (
              <Tag tone="ok" glyph="check">
                Active
              </Tag>
            ) : (
              <Tag tone="warn" glyph="warn">
                No active version
              </Tag>
            )}
            {capabilities.map((capability) => (
              <Tag key={capability}>{capability}</Tag>
            ))}
          </div>
          <p className="lead">{description || `Offers ${capabilities.join(', ')}.`}</p>
        </div>
        <div className="acts">
          <Link className="btn small primary" to="/new" search={{ capabilities: capabilities.join(',') }}>
            Try it
          </Link>
        </div>
      </div>
      <div className="summary">
        <Facts
          facts={[
            ['Price', <Two key="price" value={credits(price)} note="or more a task" />],
            ['Rating', <Two key="rating" value={rating.toFixed(2)} note={`${count(rating_count)} votes`} />],
            [
              'Success',
              <Two
                key="success"
                value={success_rate === null ? '–' : percent(success_rate)}
                note={`${count(tasks_completed)} done, ${count(attempts_failed)} failed`}
              />,
            ],
            ['Expected time', duration(statistics.estimated_ms)],
            permissions ? ['May ask of the host', permissionWords(permissions).join(', ')] : null,
            ratio === null
              ? null
              : [
                  'Against promise',
                  <Two
                    key="ratio"
                    value={`× ${ratio.toFixed(2)}`}
                    note={`${Math.round(Math.abs(ratio - 1) * 100)} % ${ratio > 1 ? 'slower' : 'faster'}`}
                  />,
                ],
            statistics.memory_p80_bytes === null ? null : ['Peak memory, p80', memory(statistics.memory_p80_bytes)],
            statistics.cpu_p80_ms === null ? null : ['Processor time, p80', duration(statistics.cpu_p80_ms)],
            ['Region', region ?? 'None'],
          ]}
        />
      </div>
      <div className="stack">
        {versions.error ? (
          <ProblemPanel error={versions.error} />
        ) : versions.data ? (
          <VersionsPanel versions={versions.data.items} />
        ) : (
          <Loading />
        )}
        {active && <Validation version={active} />}
      </div>
    </main>
  );
}

function Two({ value, note }: { value: string; note: string }) {
  return (
    <>
      {value} <span className="dim">{note}</span>
    </>
  );
}
