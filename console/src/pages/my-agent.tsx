import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../api/client';
import { type Agent, forgetAgent, useAgent, useVersions, type Version } from '../api/queries';
import { count, credits, duration, percent } from '../lib/format';
import { Button, Copy, Empty, Facts, Field, Loading, Panel, Tag } from '../ui/basics';
import { Confirm } from '../ui/dialog';
import { Glyph } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';
import { toast } from '../ui/toasts';
import { SecretsPanel } from './agent/secrets';
import { StatePanel } from './agent/state';
import { Validation } from './agent/validation';
import { VersionsPanel } from './agent/versions';
import { AgentState, useAgentNews } from './my-agents';

const route = getRouteApi('/agents/$agentId');

/** An agent as its owner sees it: versions to activate, roll back and retire, and what it asks. */
export function MyAgent() {
  const { agentId } = route.useParams();
  const agent = useAgent(agentId);
  const versions = useVersions(agentId);
  useAgentNews();
  if (agent.error)
    return (
      <main className="page">
        <ProblemPanel error={agent.error} action={<Link to="/agents">To my agents</Link>} />
      </main>
    );
  if (!agent.data)
    return (
      <main className="page">
        <Loading lines={5} />
      </main>
    );
  const { id, slug, name, capabilities, description, statistics, moderation_reason } = agent.data;
  const active = versions.data?.items.find((version) => version.active);
  return (
    <main className="page">
      <div className="pagehead tight">
        <div>
          <nav className="crumb" aria-label="Where this is">
            <Link to="/agents">My agents</Link>
            <span>/</span>
            <span>{slug}</span>
            <Copy text={id} what="the agent’s id" />
          </nav>
          <div className="title">
            <h1>{name}</h1>
            <AgentState agent={agent.data} />
            {capabilities.map((capability) => (
              <Tag key={capability}>{capability}</Tag>
            ))}
          </div>
          <p className="lead">{moderation_reason ? `An admin blocked it: ${moderation_reason}` : description}</p>
        </div>
        <div className="acts">
          <Link className="btn small" to="/market/$agentId" params={{ agentId: id }}>
            As buyers see it
          </Link>
          <Link className="btn small primary" to="/agents/upload" search={{ agent: id }}>
            <Glyph name="put" />
            Upload a version
          </Link>
        </div>
      </div>
      <div className="summary">
        <Facts
          facts={[
            [
              'Price',
              `${credits(agent.data.price)}${agent.data.price_per_kb > 0 ? ` and ${credits(agent.data.price_per_kb)} a KiB` : ''}`,
            ],
            ['Rating', `${statistics.rating.toFixed(2)} of ${count(statistics.rating_count)} votes`],
            ['Success', statistics.success_rate === null ? '–' : percent(statistics.success_rate)],
            ['Done', count(statistics.tasks_completed)],
            ['Failed attempts', count(statistics.attempts_failed)],
            ['Expected time', duration(statistics.estimated_ms)],
            ['At once', agent.data.max_concurrency === null ? 'No limit' : count(agent.data.max_concurrency)],
          ]}
        />
      </div>
      <div className="two">
        <div className="stack">
          {versions.error ? (
            <ProblemPanel error={versions.error} />
          ) : !versions.data ? (
            <Loading />
          ) : versions.data.items.length === 0 ? (
            <Panel title="Versions">
              <Empty title="No version yet">Upload one: until then the agent does not bid.</Empty>
            </Panel>
          ) : (
            <Versions agent={agent.data} versions={versions.data.items} />
          )}
          {active && <Validation version={active} />}
        </div>
        <div className="stack">
          <Settings key={agent.data.updated_at} agent={agent.data} />
          <StatePanel agentId={id} />
          {versions.data?.items.some(({ permissions }) => permissions?.http) && <SecretsPanel agentId={id} />}
        </div>
      </div>
    </main>
  );
}

function Versions({ agent, versions }: { agent: Agent; versions: readonly Version[] }) {
  const queries = useQueryClient();
  const [retiring, setRetiring] = useState<Version>();
  const done = (text: string) => () => {
    toast(text);
    setRetiring(undefined);
    forgetAgent(queries, agent.id);
  };
  const activate = useMutation({
    mutationFn: (version: string) =>
      unwrap(
        api.POST('/api/v1/agents/{id}/versions/{version}/activate', { params: { path: { id: agent.id, version } } }),
      ),
    onSuccess: ({ version }) => done(`${version} bids now.`)(),
  });
  const retire = useMutation({
    mutationFn: (version: string) =>
      unwrap(api.DELETE('/api/v1/agents/{id}/binary', { params: { path: { id: agent.id }, query: { version } } })),
    onSuccess: ({ message }) => done(message)(),
  });
  const at = versions.findIndex(({ active }) => active);
  return (
    <>
      <VersionsPanel
        versions={versions}
        actions={(version) =>
          version.status === 'retired' || version.status === 'quarantined' ? null : (
            <>
              {!version.active && (
                <Button
                  look="quiet"
                  small
                  busy={activate.isPending && activate.variables === version.version}
                  onClick={() => activate.mutate(version.version)}
                >
                  {at >= 0 && versions.indexOf(version) > at ? 'Roll back to this' : 'Activate'}
                </Button>
              )}
              <Button look="quiet" small className="danger" onClick={() => setRetiring(version)}>
                Retire
              </Button>
            </>
          )
        }
      />
      {activate.error && <ProblemPanel error={activate.error} />}
      {retiring && (
        <Confirm
          title={`Retire version ${retiring.version} of ${agent.name}?`}
          action={`Retire ${retiring.version}`}
          busy={retire.isPending}
          error={retire.error && <ProblemPanel error={retire.error} />}
          onConfirm={() => retire.mutate(retiring.version)}
          onClose={() => setRetiring(undefined)}
        >
          <p className="mute">
            It cannot be activated again, and its number stays taken. Tasks that run it finish with it.
            {retiring.active && ' The agent does not bid until another version is active.'}
          </p>
        </Confirm>
      )}
    </>
  );
}

function Settings({ agent }: { agent: Agent }) {
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: (body: Schemas['UpdateAgentDto']) =>
      unwrap(api.PATCH('/api/v1/agents/{id}', { params: { path: { id: agent.id } }, body })),
    onSuccess: () => {
      toast('Saved.');
      forgetAgent(queries, agent.id);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name) ?? '').trim();
    save.mutate({
      name: text('name'),
      description: text('description'),
      capabilities: text('capabilities')
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
      price: text('price'),
      price_per_kb: text('price_per_kb') || '0',
      max_concurrency: text('max_concurrency') ? Number(text('max_concurrency')) : null,
    });
  };
  const isPaused = agent.status === 'paused';
  return (
    <Panel
      title="Settings"
      end={
        agent.status === 'retired' ? null : (
          <Button small busy={save.isPending} onClick={() => save.mutate({ status: isPaused ? 'active' : 'paused' })}>
            {isPaused ? 'Let it bid' : 'Pause it'}
          </Button>
        )
      }
    >
      <form className="in form" onSubmit={submit}>
        <Field label="Name" name="name" defaultValue={agent.name} required />
        <label className="field">
          <span className="lab">Description</span>
          <textarea className="input" name="description" rows={3} defaultValue={agent.description} />
        </label>
        <Field
          label="Capabilities"
          hint="separated by commas"
          name="capabilities"
          defaultValue={agent.capabilities.join(', ')}
          required
        />
        <div className="pair">
          <Field
            label="Price"
            hint="credits a task"
            name="price"
            inputMode="decimal"
            defaultValue={agent.price}
            required
          />
          <Field
            label="Price per KiB"
            hint="of input"
            name="price_per_kb"
            inputMode="decimal"
            defaultValue={agent.price_per_kb}
          />
        </div>
        <Field
          label="Tasks at once"
          hint="empty: no limit"
          name="max_concurrency"
          inputMode="numeric"
          defaultValue={agent.max_concurrency ?? ''}
        />
        {save.error && <ProblemPanel error={save.error} />}
        <div className="row">
          <Button type="submit" busy={save.isPending}>
            Save the settings
          </Button>
        </div>
      </form>
    </Panel>
  );
}
