import { useQueryClient } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useEffect } from 'react';
import { connect, disconnect } from './api/feed';
import { useSession } from './api/session';
import { Gate } from './pages/gate';
import { router } from './router';

/** The sign-in page, or the console. Signing in stays at the address, so links to a page keep their target. */
export function App() {
  const session = useSession();
  const queries = useQueryClient();
  const userId = session.status === 'in' ? session.user.id : undefined;

  useEffect(() => {
    if (!userId) return;
    connect(userId);
    // The pages of the gate are no pages of the console.
    if (['/register', '/forgot', '/reset'].includes(location.pathname))
      void router.navigate({ to: '/', replace: true });
    return () => {
      disconnect();
      queries.clear();
    };
  }, [userId, queries]);

  if (session.status === 'restoring') return <main className="page" aria-busy="true" />;
  if (session.status === 'out') return <Gate reason={session.reason} />;
  return <RouterProvider router={router} />;
}
