import { Navigate } from '@tanstack/react-router';
import { useTaskCount } from '../api/queries';
import { Loading } from '../ui/basics';

/** New users begin with their first task, others with the market. */
export function Home() {
  const { data, isError } = useTaskCount();
  if (isError) return <Navigate to="/market" replace />;
  if (!data) return <Loading />;
  return <Navigate to={data.items.length > 0 ? '/market' : '/first-task'} replace />;
}
