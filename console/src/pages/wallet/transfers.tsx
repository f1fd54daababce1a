import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type Transfer, useTransfers } from '../../api/ledger';
import { credits } from '../../lib/format';
import { Button, Empty, Loading, Panel, Time } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

type Kind = Transfer['kind'];

/** What each kind means to the account that reads it. */
const WORDS: Record<Kind, string> = {
  signup: 'Opening credits',
  grant: 'Grant',
  topup: 'Top-up',
  correction: 'Correction by an admin',
  hold: 'Held for a task',
  lend: 'Lent to a sub-task',
  post: 'Paid for a task',
  fee: 'Market’s fee',
  host_calls: 'Host calls of a task',
  release: 'Returned from a task',
  payout_request: 'Held for a payout',
  payout: 'Paid out',
  payout_rejected: 'Payout rejected',
  reversal: 'Returned by a dispute',
  fee_reversal: 'Fee returned by a dispute',
};

/** Every movement of credits, newest first. */
export function TransfersPanel() {
  const [kind, setKind] = useState<Kind>();
  const transfers = useTransfers(kind);
  const items = transfers.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel
      title="Transfers"
      note="newest first"
      end={
        <select
          className="input"
          aria-label="Kind of transfer"
          value={kind ?? ''}
          onChange={(event) => setKind((event.target.value || undefined) as Kind | undefined)}
        >
          <option value="">Every kind</option>
          {(Object.keys(WORDS) as Kind[]).map((name) => (
            <option key={name} value={name}>
              {WORDS[name]}
            </option>
          ))}
        </select>
      }
    >
      {transfers.error ? (
        <ProblemPanel error={transfers.error} />
      ) : !transfers.data ? (
        <Loading />
      ) : items.length === 0 ? (
        <Empty title="No transfers">{kind ? 'None is of this kind.' : 'Tasks, grants and payouts show here.'}</Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="group" aria-label="Transfers">
          <table className="tbl">
            <thead>
              <tr>
                <th>When</th>
                <th>What</th>
                <th className="num">Available</th>
                <th className="num">Held</th>
                <th>Task</th>
              </tr>
            </thead>
            <tbody>
              {items.map((transfer) => (
                <tr key={transfer.id}>
                  <td className="nowrap">
                    <Time at={transfer.at} />
                  </td>
                  <td>{wordsOf(transfer)}</td>
                  <td className="num">{change(transfer.available_change)}</td>
                  <td className="num">{change(transfer.held_change)}</td>
                  <td>
                    {transfer.task_id && (
                      <Link className="mono" to="/tasks/$taskId" params={{ taskId: transfer.task_id }}>
                        {transfer.task_id.slice(0, 8)}
                      </Link>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {transfers.hasNextPage && (
        <div className="in row">
          <Button small busy={transfers.isFetchingNextPage} onClick={() => void transfers.fetchNextPage()}>
            Show older transfers
          </Button>
        </div>
      )}
    </Panel>
  );
}

/** The same transfer is a payment to one account and earnings to the other. */
const wordsOf = ({ kind, available_change: available }: Transfer): string =>
  kind === 'post' && available > 0 ? 'Earned by an agent' : WORDS[kind];

const change = (amount: number): string =>
  amount === 0 ? '' : `${amount > 0 ? '+' : '−'}${credits(Math.abs(amount))}`;
