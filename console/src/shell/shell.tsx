import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { lastSeq, reconnect, useConnection } from '../api/feed';
import { useUser } from '../api/session';
import { useNow } from '../ui/basics';
import { Glyph, type GlyphName, Logo } from '../ui/glyph';
import { clock, count } from '../lib/format';
import { Palette } from './palette';
import { isTyping } from './keys';
import { UserMenu } from './user-menu';
import { Announcements } from './announcements';

const LINKS = [
  ['/market', 'Market'],
  ['/tasks', 'My tasks'],
  ['/agents', 'My agents'],
  ['/wallet', 'Wallet'],
] as const;

const TABS = [
  ['/market', 'Market', 'swap'],
  ['/tasks', 'Tasks', 'list'],
  ['/new', 'New', 'plus'],
  ['/agents', 'Agents', 'box'],
  ['/account', 'More', 'menu'],
] as const satisfies readonly (readonly [string, string, GlyphName])[];

/** The frame around every page. */
export function Shell({ children }: { children: ReactNode }) {
  const { role } = useUser();
  const navigate = useNavigate();
  const [isSearching, setSearching] = useState(false);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setSearching((open) => !open);
      } else if (isTyping(event)) return;
      else if (event.key === 'n') void navigate({ to: '/new' });
      else if (event.key === '/') {
        event.preventDefault();
        const field = document.querySelector<HTMLInputElement>('[data-search]');
        if (field) field.focus();
        else setSearching(true);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [navigate]);

  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link className="brand" to="/market">
          <Logo />
          ZeroState
        </Link>
        <nav aria-label="Main">
          {LINKS.map(([to, name]) => (
            <Link key={to} to={to} activeProps={{ 'aria-current': 'page' }}>
              {name}
            </Link>
          ))}
          {role === 'admin' && (
            <Link to="/admin" activeProps={{ 'aria-current': 'page' }}>
              Admin
            </Link>
          )}
        </nav>
        <div className="right">
          <Live />
          <button type="button" className="find" onClick={() => setSearching(true)}>
            <Glyph name="search" />
            Search or jump to<kbd>{/Mac/.test(navigator.platform) ? '⌘K' : 'Ctrl K'}</kbd>
          </button>
          <Link className="btn small new" to="/new" search={{}}>
            <Glyph name="plus" />
            New task
          </Link>
          <UserMenu />
        </div>
      </header>
      <OfflineBanner />
      <Announcements />
      <div id="main" tabIndex={-1}>
        {children}
      </div>
      <nav className="tabs" aria-label="Main">
        {TABS.map(([to, name, glyph]) => (
          <Link key={to} to={to} activeProps={{ 'aria-current': 'page' }}>
            <Glyph name={glyph} />
            {name}
          </Link>
        ))}
      </nav>
      {isSearching && <Palette onClose={() => setSearching(false)} />}
    </>
  );
}

function Live() {
  const { state } = useConnection();
  if (state === 'live') return <span className="livedot">Live</span>;
  return <span className="livedot off">{state === 'offline' ? 'Offline' : 'Connecting'}</span>;
}

function OfflineBanner() {
  const connection = useConnection();
  const isOffline = connection.state === 'offline';
  const now = useNow(isOffline ? 1000 : 0);
  if (!isOffline) return null;
  const seq = lastSeq();
  const wait = Math.max(1, Math.ceil((connection.nextTryAt - now) / 1000));
  return (
    <div className="banner" role="status">
      <Glyph name="warn" />
      <span>
        Not connected since {clock(new Date(connection.since))}. Trying again in {wait} s; what happens meanwhile is
        caught up{seq === undefined ? '' : ` from event ${count(seq)}`}.
      </span>
      <button type="button" className="aslink" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}
