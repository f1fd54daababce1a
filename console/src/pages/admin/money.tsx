import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { type Dispute, type Payout, useDisputes, useLedgerNews, useLedgerRenewal, usePayouts } from '../../api/ledger';
import { credits, plural, shortDate } from '../../lib/format';
import { Button, Empty, Facts, Field, Id, Loading, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';
import { DisputeCard } from '../wallet/disputes';
import { AdminFrame } from './frame';

/** What admins decide about money: payouts, disputes, grants. */
export function Money() {
  useLedgerNews();
  const totals = useQuery({ queryKey: ['ledger', 'totals'], queryFn: () => unwrap(api.GET('/api/v1/ledger/totals')) });
  const payouts = usePayouts({ all: true, status: 'requested' });
  const disputes = useDisputes({ all: true, status: 'open' });
  return (
    <AdminFrame
      title="Money"
      lead={
        payouts.data &&
        disputes.data && (
          <>
            <b>{plural(payouts.data.items.length, 'payout')}</b> and{' '}
            <b>{plural(disputes.data.items.length, 'dispute')}</b> wait for a decision.
          </>
        )
      }
    >
      <div className="stack">
        {totals.error ? (
          <ProblemPanel error={totals.error} />
        ) : (
          totals.data && (
            <div className="summary">
              <Facts
                facts={[
                  ['Available', totals.data.available],
                  ['Held', totals.data.held],
                  ['Pending', totals.data.pending],
                  ['Fees kept', totals.data.fees],
                  ['Issued', totals.data.issued.replace(/^-/, '')],
                  ['Paid out', totals.data.paid_out],
                ]}
              />
            </div>
          )
        )}
        <Panel title="Payouts that wait">
          {payouts.error ? (
            <ProblemPanel error={payouts.error} />
          ) : !payouts.data ? (
            <Loading lines={2} />
          ) : payouts.data.items.length === 0 ? (
            <Empty title="No payout waits" />
          ) : (
            payouts.data.items.map((payout) => <PayoutDecision key={payout.id} payout={payout} />)
          )}
        </Panel>
        <Panel title="Open disputes">
          {disputes.error ? (
            <ProblemPanel error={disputes.error} />
          ) : !disputes.data ? (
            <Loading lines={2} />
          ) : disputes.data.items.length === 0 ? (
            <Empty title="No dispute is open" />
          ) : (
            disputes.data.items.map((dispute) => (
              <DisputeCard key={dispute.id} dispute={dispute}>
                <DisputeDecision dispute={dispute} />
              </DisputeCard>
            ))
          )}
        </Panel>
        <Grant />
      </div>
    </AdminFrame>
  );
}

function PayoutDecision({ payout }: { payout: Payout }) {
  const path = { params: { path: { id: payout.id } } };
  return (
    <article className="in ruled" aria-label={`Payout of ${credits(payout.amount)} credits`}>
      <p>
        <b>{credits(payout.amount)} credits</b> to <Id id={payout.user_id} what="the user’s id" />{' '}
        <span className="dim">requested {shortDate(payout.requested_at)}</span>
      </p>
      {payout.note && <p>“{payout.note}”</p>}
      <Decision
        label="Reference of the payment, or why it is rejected"
        choices={[
          [
            'Confirm the payment',
            (reference) => unwrap(api.POST('/api/v1/ledger/payouts/{id}/confirm', { ...path, body: { reference } })),
          ],
          ['Reject', (reason) => unwrap(api.POST('/api/v1/ledger/payouts/{id}/reject', { ...path, body: { reason } }))],
        ]}
      />
    </article>
  );
}

function DisputeDecision({ dispute }: { dispute: Dispute }) {
  const path = { params: { path: { id: dispute.id } } };
  return (
    <Decision
      label="Why you decide so"
      choices={[
        [
          'Return the credits',
          (text) => unwrap(api.POST('/api/v1/ledger/disputes/{id}/uphold', { ...path, body: { text } })),
        ],
        [
          'Reject the dispute',
          (text) => unwrap(api.POST('/api/v1/ledger/disputes/{id}/reject', { ...path, body: { text } })),
        ],
      ]}
    />
  );
}

interface DecisionProps {
  /** Of the text that both sides read. */
  label: string;
  choices: readonly (readonly [text: string, decide: (words: string) => Promise<unknown>])[];
}

/** A text and the buttons that decide; each needs the text. */
function Decision({ label, choices }: DecisionProps) {
  const renew = useLedgerRenewal();
  const [words, setWords] = useState('');
  const decide = useMutation({
    mutationFn: (choice: number) => choices[choice][1](words.trim()),
    onSuccess: () => {
      toast('Decided.');
      return renew();
    },
  });
  return (
    <form className="form" onSubmit={(event) => event.preventDefault()}>
      <Field label={label} value={words} onChange={(event) => setWords(event.target.value)} />
      {decide.error && <ProblemPanel error={decide.error} />}
      <div className="row">
        {choices.map(([text], index) => (
          <Button
            key={text}
            small
            disabled={words.trim() === ''}
            busy={decide.isPending && decide.variables === index}
            onClick={() => decide.mutate(index)}
          >
            {text}
          </Button>
        ))}
      </div>
    </form>
  );
}

function Grant() {
  const renew = useLedgerRenewal();
  const grant = useMutation({
    mutationFn: (body: Schemas['GrantDto']) => unwrap(api.POST('/api/v1/ledger/grants', { body })),
    onSuccess: renew,
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string): string => String(form.get(name)).trim();
    grant.mutate({ user_id: text('user'), amount: text('amount'), reason: text('reason') });
  };
  return (
    <Panel title="Give credits" note="in the audit trail">
      <form className="in form" onSubmit={submit}>
        <div className="pair">
          <Field label="User id" name="user" required />
          <Field label="Amount" hint="credits" name="amount" inputMode="decimal" required />
        </div>
        <Field label="Reason" hint="the user reads it" name="reason" required />
        {grant.error && <ProblemPanel error={grant.error} />}
        {grant.data && <p role="status">{credits(grant.data.amount)} credits given.</p>}
        <div className="row">
          <Button type="submit" busy={grant.isPending}>
            Give the credits
          </Button>
        </div>
      </form>
    </Panel>
  );
}
