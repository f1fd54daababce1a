import type { Schemas } from '../api/client';
import { credits } from '../lib/format';

interface PaidProps {
  /** The bid that did the task, or would do it. */
  bid: Pick<Schemas['ExplainedBidDto'], 'agent_name' | 'paid' | 'paid_because'> | undefined;
  /** Null on scoreboards of releases that paid what was asked. */
  payment: Schemas['PaymentDto'] | null;
}

/** What an agent is paid under the market's payment rule, and why. */
export function Paid({ bid, payment }: PaidProps) {
  if (!payment || bid?.paid === null || bid?.paid === undefined) return null;
  return (
    <p>
      <b>
        {bid.agent_name} is paid {credits(bid.paid)}
      </b>{' '}
      <span className="mute">if it completes the task. {bid.paid_because}</span>
    </p>
  );
}
