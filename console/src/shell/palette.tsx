import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { api, unwrap } from '../api/client';
import { useMarket } from '../api/queries';
import { signOut, useUser } from '../api/session';
import { credits, shortId } from '../lib/format';
import { Glyph, type GlyphName } from '../ui/glyph';

interface Command {
  key: string;
  glyph: GlyphName;
  text: string;
  /** At the right, in grey. */
  end?: ReactNode;
  run: () => void;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SHOWN = 12;

/** Finds pages, tasks by id or title, agents by name, and actions. */
export function Palette({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [query, setQuery] = useState('');
  const [selected, setSelected] = useState(0);
  const id = useId();
  const commands = useCommands(query.trim(), onClose);
  const at = Math.min(selected, Math.max(0, commands.length - 1));

  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  useEffect(() => {
    document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: 'nearest' });
  }, [at, id]);

  return (
    <dialog
      ref={dialog}
      className="palette"
      aria-label="Search or jump to"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="palette-field">
        <Glyph name="search" />
        <input
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={id}
          aria-activedescendant={commands.length > 0 ? `${id}-${at}` : undefined}
          aria-label="Search or jump to"
          placeholder="A page, an agent’s name, a task’s title or id"
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setSelected(0);
          }}
          onKeyDown={(event) => {
            const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
            if (step) {
              event.preventDefault();
              setSelected((at + step + commands.length) % Math.max(1, commands.length));
            } else if (event.key === 'Enter') {
              event.preventDefault();
              commands[at]?.run();
            }
          }}
        />
        <kbd>Esc</kbd>
      </div>
      {commands.length === 0 ? (
        <p className="palette-none mute">
          Nothing is called so. Tasks are found by their whole id, or by title among the newest.
        </p>
      ) : (
        <ul className="menu flat" role="listbox" id={id} aria-label="Found">
          {commands.map((command, index) => (
            <li
              key={command.key}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === at}
              onMouseMove={() => setSelected(index)}
              onClick={command.run}
            >
              <Glyph name={command.glyph} />
              <span className="cut">{command.text}</span>
              <span className="end">{command.end}</span>
            </li>
          ))}
        </ul>
      )}
    </dialog>
  );
}

function useCommands(query: string, onClose: () => void): Command[] {
  const navigate = useNavigate();
  const { role } = useUser();
  const market = useMarket();
  const recent = useQuery({
    queryKey: ['tasks', 'recent'],
    queryFn: () => unwrap(api.GET('/api/v1/tasks', { params: { query: { limit: 100 } } })),
  });
  const go =
    (to: string, search: object = {}) =>
    () => {
      onClose();
      void navigate({ to, search } as never);
    };
  const pages: Command[] = [
    { key: 'new', glyph: 'plus', text: 'New task', end: 'N', run: go('/new') },
    { key: 'market', glyph: 'swap', text: 'Market', run: go('/market') },
    { key: 'tasks', glyph: 'list', text: 'My tasks', run: go('/tasks') },
    { key: 'failed', glyph: 'failed', text: 'My failed tasks', run: go('/tasks', { status: 'failed' }) },
    { key: 'agents', glyph: 'box', text: 'My agents', run: go('/agents') },
    { key: 'upload', glyph: 'put', text: 'Upload an agent', run: go('/agents/upload') },
    { key: 'wallet', glyph: 'swap', text: 'Wallet', run: go('/wallet') },
    { key: 'account', glyph: 'person', text: 'Account and API keys', run: go('/account') },
    { key: 'webhooks', glyph: 'flow', text: 'Webhooks', run: go('/account/webhooks') },
    ...(role === 'admin'
      ? [
          { key: 'admin', glyph: 'flow', text: 'Admin: overview', run: go('/admin') } as const,
          { key: 'queue', glyph: 'clock', text: 'Admin: queue', run: go('/admin/queue') } as const,
          { key: 'users', glyph: 'person', text: 'Admin: users', run: go('/admin/users') } as const,
          { key: 'moderation', glyph: 'box', text: 'Admin: agents', run: go('/admin/agents') } as const,
          { key: 'money', glyph: 'swap', text: 'Admin: money', run: go('/admin/money') } as const,
          { key: 'audit', glyph: 'list', text: 'Admin: audit trail', run: go('/admin/audit') } as const,
          { key: 'health', glyph: 'check', text: 'Admin: health', run: go('/admin/health') } as const,
        ]
      : []),
    { key: 'out', glyph: 'x', text: 'Sign out', run: () => void signOut() },
  ];
  if (query === '') return pages;

  const fits = (text: string): boolean => text.toLowerCase().includes(query.toLowerCase());
  const agents = (market.data?.items ?? [])
    .filter(({ name, slug, capabilities }) => fits(name) || fits(slug) || capabilities.some(fits))
    .map(({ id, name, price }): Command => {
      return { key: id, glyph: 'box', text: name, end: `agent, ${credits(price)}`, run: go(`/market/${id}`) };
    });
  const tasks = (recent.data?.items ?? [])
    .filter(({ id, description }) => fits(description ?? '') || id.startsWith(query.toLowerCase()))
    .map(({ id, description, status }): Command => {
      return {
        key: id,
        glyph: status,
        text: description || shortId(id),
        end: `task, ${status}`,
        run: go(`/tasks/${id}`),
      };
    });
  const byId: Command[] =
    UUID.test(query) && !tasks.some(({ key }) => key === query.toLowerCase())
      ? [{ key: 'id', glyph: 'list', text: `Task ${query}`, run: go(`/tasks/${query.toLowerCase()}`) }]
      : [];
  return [...byId, ...pages.filter(({ text }) => fits(text)), ...agents, ...tasks].slice(0, SHOWN);
}
