import { type FormEvent, useState } from 'react';
import type { Schemas } from '../../api/client';
import { useMarket, useMyAgents } from '../../api/queries';
import type { Webhook } from '../../api/webhooks';
import { EVENT_TYPES, type EventType } from '../../lib/events';
import { plural, shortId } from '../../lib/format';
import { Button, Field, Segments } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

/** What types are about, by how they begin. */
const SUBJECTS = [
  ['task.', 'Tasks'],
  ['agent.', 'Agents'],
  ['ledger.', 'Credits'],
  ['webhook.', 'Webhooks'],
  ['system.', 'The market'],
] as const;

interface WebhookFormProps {
  /** The webhook to change; unset: a new one. */
  webhook?: Webhook;
  action: string;
  error: unknown;
  busy: boolean;
  onSubmit: (body: Schemas['CreateWebhookDto']) => void;
  onCancel: () => void;
}

/** Where events go, and which. */
export function WebhookForm({ webhook, action, error, busy, onSubmit, onCancel }: WebhookFormProps) {
  const [isSome, setSome] = useState(Boolean(webhook?.events.length));
  const [types, setTypes] = useState<ReadonlySet<string>>(new Set(webhook?.events));
  const [agents, setAgents] = useState<ReadonlySet<string>>(new Set(webhook?.agents));
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const description = String(form.get('description')).trim();
    onSubmit({
      url: String(form.get('url')).trim(),
      events: isSome ? ([...types] as EventType[]) : [],
      agents: [...agents],
      ...((description || webhook?.description) && { description }),
    });
  };
  return (
    <form className="in form ruled-below webhook-form" aria-label={action} onSubmit={submit}>
      <div className="pair">
        <Field
          label="URL"
          hint="https, the name of a public host"
          name="url"
          type="url"
          placeholder="https://hooks.example.com/zerostate"
          defaultValue={webhook?.url}
          required
          autoFocus
        />
        <Field
          label="Description"
          hint="for you; may stay empty"
          name="description"
          maxLength={200}
          defaultValue={webhook?.description ?? ''}
        />
      </div>
      <div className="row">
        <Segments<'all' | 'some'>
          label="Events"
          value={isSome ? 'some' : 'all'}
          options={[
            ['all', 'All events'],
            ['some', 'Only some types'],
          ]}
          onChange={(choice) => setSome(choice === 'some')}
        />
        {isSome && <span className="dim">{types.size === 0 ? 'Tick at least one' : plural(types.size, 'type')}</span>}
      </div>
      {isSome &&
        SUBJECTS.map(([prefix, subject]) => (
          <fieldset key={prefix} className="event-types">
            <legend className="lab">{subject}</legend>
            {EVENT_TYPES.filter((name) => name.startsWith(prefix)).map((name) => (
              <label key={name} className="tick">
                <input type="checkbox" checked={types.has(name)} onChange={() => setTypes(toggled(types, name))} />
                {name}
              </label>
            ))}
          </fieldset>
        ))}
      <AgentFilter chosen={agents} onChange={setAgents} />
      {Boolean(error) && <ProblemPanel error={error} />}
      <div className="row">
        <Button type="submit" busy={busy} disabled={isSome && types.size === 0}>
          {action}
        </Button>
        <Button look="quiet" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** Agents that match are offered, this many at once. */
const OFFERED = 8;

interface AgentFilterProps {
  /** Ids. */
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
}

/** Chosen agents, and those whose name matches what was typed: one's own first, then the market's. */
function AgentFilter({ chosen, onChange }: AgentFilterProps) {
  const [query, setQuery] = useState('');
  const own = useMyAgents();
  const market = useMarket();
  const names = new Map([...(own.data?.items ?? []), ...(market.data?.items ?? [])].map(({ id, name }) => [id, name]));
  const wanted = query.trim().toLowerCase();
  const offered = [...names]
    .filter(([id, name]) => wanted && !chosen.has(id) && name.toLowerCase().includes(wanted))
    .slice(0, OFFERED);
  const error = own.error ?? market.error;
  return (
    <div className="agent-filter">
      <Field
        label="Agents"
        hint={
          chosen.size === 0
            ? 'none chosen: events of every agent, and those of none'
            : 'only events of these; task.queued and others without an agent are not sent'
        }
        placeholder="Part of an agent’s name"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          if (offered.length === 1) onChange(toggled(chosen, offered[0]![0]));
        }}
      />
      {error ? (
        <ProblemPanel error={error} />
      ) : (
        <div className="event-types">
          {[...[...chosen].map((id) => [id, names.get(id) ?? shortId(id)] as const), ...offered].map(([id, name]) => (
            <label key={id} className="tick">
              <input type="checkbox" checked={chosen.has(id)} onChange={() => onChange(toggled(chosen, id))} />
              <span className="cut">{name}</span>
            </label>
          ))}
          {wanted && offered.length === 0 && <span className="mute">No other agent’s name contains this.</span>}
        </div>
      )}
    </div>
  );
}

function toggled(set: ReadonlySet<string>, member: string): ReadonlySet<string> {
  const after = new Set(set);
  if (!after.delete(member)) after.add(member);
  return after;
}
