import { Link } from '@tanstack/react-router';
import { useRef } from 'react';
import { signOut, useUser } from '../api/session';
import { Segments } from '../ui/basics';
import { type Theme, useTheme } from './theme';

export function UserMenu() {
  const { email } = useUser();
  const [theme, setTheme] = useTheme();
  const ref = useRef<HTMLDivElement>(null);
  const initials = email.slice(0, 2).toUpperCase();
  const close = () => ref.current?.hidePopover();
  return (
    <>
      <button
        type="button"
        className="who"
        popoverTarget="user-menu"
        aria-label={`${initials}: account of ${email}`}
        title={email}
      >
        {initials}
      </button>
      <div ref={ref} id="user-menu" popover="auto" className="menu user-menu">
        <p className="lab2">{email}</p>
        <div className="theme">
          <Segments<Theme>
            label="Colours"
            value={theme}
            options={[
              ['system', 'System'],
              ['light', 'Light'],
              ['dark', 'Dark'],
            ]}
            onChange={setTheme}
          />
        </div>
        <Link to="/wallet" onClick={close}>
          Wallet
        </Link>
        <Link to="/account" onClick={close}>
          Account and API keys
        </Link>
        <Link to="/account/webhooks" onClick={close}>
          Webhooks
        </Link>
        <a href="/docs">API reference</a>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </div>
    </>
  );
}
