import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useUser } from '../../api/session';
import { Empty } from '../../ui/basics';

const TABS = [
  ['/admin', 'Overview'],
  ['/admin/queue', 'Queue'],
  ['/admin/users', 'Users'],
  ['/admin/agents', 'Agents'],
  ['/admin/money', 'Money'],
  ['/admin/audit', 'Audit trail'],
  ['/admin/health', 'Health'],
] as const;

interface FrameProps {
  title: string;
  lead?: ReactNode;
  acts?: ReactNode;
  children: ReactNode;
}

/** The second row of tabs, and the head of an admin page. */
export function AdminFrame({ title, lead, acts, children }: FrameProps) {
  const { role } = useUser();
  if (role !== 'admin')
    return (
      <main className="page">
        <section className="panel">
          <Empty title="Only admins can see this page">Ask an administrator of this installation.</Empty>
        </section>
      </main>
    );
  return (
    <>
      <nav className="sub" aria-label="Admin">
        {TABS.map(([to, name]) => (
          <Link key={to} to={to} activeOptions={{ exact: true }} activeProps={{ 'aria-current': 'page' }}>
            {name}
          </Link>
        ))}
      </nav>
      <main className="page">
        <div className="pagehead">
          <div>
            <h1>{title}</h1>
            {lead && <p className="lead">{lead}</p>}
          </div>
          {acts && <div className="acts">{acts}</div>}
        </div>
        {children}
      </main>
    </>
  );
}
