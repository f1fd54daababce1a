import { Link } from '@tanstack/react-router';
import { Empty } from '../ui/basics';

export function NotFound() {
  return (
    <main className="page">
      <section className="panel">
        <Empty
          title="There is no such page"
          action={
            <Link className="btn" to="/market">
              To the market
            </Link>
          }
        >
          The address may be mistyped, or the page has moved.
        </Empty>
      </section>
    </main>
  );
}
