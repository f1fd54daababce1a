import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { type Payout, useLedgerRenewal, usePayouts } from '../../api/ledger';
import { credits, shortDate } from '../../lib/format';
import { Button, Empty, Field, Loading, Panel, Tag } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';

/** Payouts of the user, and the form that asks for one. @param available credits that may be paid out */
export function PayoutsPanel({ available }: { available: number }) {
  const renew = useLedgerRenewal();
  const [isNew, setNew] = useState(false);
  const payouts = usePayouts();
  const request = useMutation({
    mutationFn: (body: Schemas['RequestPayoutDto']) => unwrap(api.POST('/api/v1/ledger/payouts', { body })),
    onSuccess: () => {
      toast('Requested. The credits are held until an admin decides.');
      setNew(false);
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    request.mutate({ amount: String(form.get('amount')).trim(), note: String(form.get('note')).trim() || undefined });
  };
  return (
    <Panel
      title="Payouts"
      end={
        <Button small glyph="plus" aria-expanded={isNew} onClick={() => setNew(!isNew)}>
          Request a payout
        </Button>
      }
    >
      {isNew && (
        <form className="in form ruled-below" onSubmit={submit}>
          <Field
            label="Amount"
            hint={`${credits(available)} are available`}
            name="amount"
            inputMode="decimal"
            required
          />
          <Field label="Note" hint="where to, in words that the operator asks for" name="note" />
          {request.error && <ProblemPanel error={request.error} />}
          <div className="row">
            <Button type="submit" busy={request.isPending}>
              Request it
            </Button>
          </div>
        </form>
      )}
      {payouts.error ? (
        <ProblemPanel error={payouts.error} />
      ) : !payouts.data ? (
        <Loading lines={2} />
      ) : payouts.data.items.length === 0 ? (
        <Empty title="No payouts">Earnings that are available can be paid out by the operator.</Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="group" aria-label="Payouts">
          <table className="tbl">
            <thead>
              <tr>
                <th>Requested</th>
                <th className="num">Amount</th>
                <th>State</th>
                <th>Answer</th>
              </tr>
            </thead>
            <tbody>
              {payouts.data.items.map((payout) => (
                <tr key={payout.id}>
                  <td className="nowrap">{shortDate(payout.requested_at)}</td>
                  <td className="num">{credits(payout.amount)}</td>
                  <td>
                    <PayoutState status={payout.status} />
                  </td>
                  <td>{payout.answer}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

const STATES: Record<Payout['status'], readonly [tone: string, text: string]> = {
  requested: ['warn', 'Waits for an admin'],
  paid: ['ok', 'Paid'],
  rejected: ['bad', 'Rejected'],
};

export function PayoutState({ status }: { status: Payout['status'] }) {
  const [tone, text] = STATES[status];
  return <Tag tone={tone}>{text}</Tag>;
}
