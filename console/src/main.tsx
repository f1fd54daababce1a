import './styles/index.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { onBreakEnded } from './api/feed';
import { ApiProblem } from './api/problem';
import { restore } from './api/session';
import { App } from './app';
import { Toasts } from './ui/toasts';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // The feed says what has changed; a window that gets the focus says nothing.
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (failures, error) =>
        failures < 2 && error instanceof ApiProblem && (error.status === 0 || error.status === 503),
    },
  },
});
onBreakEnded(() => void queries.invalidateQueries());

const theme = localStorage.getItem('zerostate.theme');
if (theme) document.documentElement.dataset.theme = theme;
void restore();
createRoot(document.getElementById('root')!).render(
  <QueryClientProvider client={queries}>
    <App />
    <Toasts />
  </QueryClientProvider>,
);
