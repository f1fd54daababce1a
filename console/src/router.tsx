import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  type ErrorComponentProps,
} from '@tanstack/react-router';
import { Home } from './pages/home';
import { NotFound } from './pages/not-found';
import { Shell } from './shell/shell';
import { ProblemPanel } from './ui/problem';

const root = createRootRoute({
  component: () => (
    <Shell>
      <Outlet />
    </Shell>
  ),
  notFoundComponent: NotFound,
});

const at = <const Path extends string>(path: Path) => ({ getParentRoute: () => root, path });

/** What the address of the new-task page may fill in. */
export interface NewTaskSearch {
  /** Comma-separated. */
  capabilities?: string;
  /** A task to repeat. */
  from?: string;
}

/** Which deliveries the page of a webhook shows. */
export interface WebhookSearch {
  /** Only deliveries in this state. */
  state?: string;
  /** Id of the one that is open. */
  delivery?: string;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

const home = createRoute({ ...at('/'), component: Home });
const market = createRoute({
  ...at('/market'),
  component: lazyRouteComponent(() => import('./pages/market'), 'Market'),
});
const agent = createRoute({
  ...at('/market/$agentId'),
  component: lazyRouteComponent(() => import('./pages/agent'), 'AgentPage'),
});
const newTask = createRoute({
  ...at('/new'),
  component: lazyRouteComponent(() => import('./pages/new-task'), 'NewTask'),
  validateSearch: (search): NewTaskSearch => ({ capabilities: text(search.capabilities), from: text(search.from) }),
});
const tasks = createRoute({
  ...at('/tasks'),
  component: lazyRouteComponent(() => import('./pages/tasks'), 'Tasks'),
  validateSearch: (search): { status?: string } => ({ status: text(search.status) }),
});
const task = createRoute({
  ...at('/tasks/$taskId'),
  component: lazyRouteComponent(() => import('./pages/task'), 'TaskPage'),
});
const agents = createRoute({
  ...at('/agents'),
  component: lazyRouteComponent(() => import('./pages/my-agents'), 'MyAgents'),
});
const upload = createRoute({
  ...at('/agents/upload'),
  component: lazyRouteComponent(() => import('./pages/upload'), 'Upload'),
  validateSearch: (search): { agent?: string } => ({ agent: text(search.agent) }),
});
const myAgent = createRoute({
  ...at('/agents/$agentId'),
  component: lazyRouteComponent(() => import('./pages/my-agent'), 'MyAgent'),
});
const wallet = createRoute({
  ...at('/wallet'),
  component: lazyRouteComponent(() => import('./pages/wallet'), 'Wallet'),
});
const account = createRoute({
  ...at('/account'),
  component: lazyRouteComponent(() => import('./pages/account'), 'Account'),
});
const webhooks = createRoute({
  ...at('/account/webhooks'),
  component: lazyRouteComponent(() => import('./pages/webhooks'), 'Webhooks'),
});
const webhook = createRoute({
  ...at('/account/webhooks/$webhookId'),
  component: lazyRouteComponent(() => import('./pages/webhook'), 'WebhookPage'),
  validateSearch: (search): WebhookSearch => ({ state: text(search.state), delivery: text(search.delivery) }),
});
const firstTask = createRoute({
  ...at('/first-task'),
  component: lazyRouteComponent(() => import('./pages/first-task'), 'FirstTask'),
});
const admin = createRoute({
  ...at('/admin'),
  component: lazyRouteComponent(() => import('./pages/admin/overview'), 'Overview'),
});
const adminQueue = createRoute({
  ...at('/admin/queue'),
  component: lazyRouteComponent(() => import('./pages/admin/queue'), 'Queue'),
});
const adminUsers = createRoute({
  ...at('/admin/users'),
  component: lazyRouteComponent(() => import('./pages/admin/users'), 'Users'),
});
const adminAgents = createRoute({
  ...at('/admin/agents'),
  component: lazyRouteComponent(() => import('./pages/admin/agents'), 'Agents'),
});
const adminMoney = createRoute({
  ...at('/admin/money'),
  component: lazyRouteComponent(() => import('./pages/admin/money'), 'Money'),
});
const adminAudit = createRoute({
  ...at('/admin/audit'),
  component: lazyRouteComponent(() => import('./pages/admin/audit'), 'Audit'),
});
const adminSystem = createRoute({
  ...at('/admin/health'),
  component: lazyRouteComponent(() => import('./pages/admin/health'), 'Health'),
});

const agentRoutes = [market, agent, agents, upload, myAgent];
const accountRoutes = [wallet, account, webhooks, webhook];
const routes = [home, newTask, tasks, task, firstTask, ...agentRoutes, ...accountRoutes];
const adminRoutes = [admin, adminQueue, adminUsers, adminAgents, adminMoney, adminAudit, adminSystem];

function PageError({ error }: ErrorComponentProps) {
  return (
    <main className="page">
      <ProblemPanel error={error} />
    </main>
  );
}

export const router = createRouter({
  routeTree: root.addChildren([...routes, ...adminRoutes]),
  defaultErrorComponent: PageError,
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
