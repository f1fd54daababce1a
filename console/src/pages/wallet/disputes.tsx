import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { api, unwrap } from '../../api/client';
import { type Dispute, useDisputes, useLedgerRenewal } from '../../api/ledger';
import { useMyAgents } from '../../api/queries';
import { credits, shortDate } from '../../lib/format';
import { Button, Empty, Field, Loading, Panel, Tag } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

/** Disputes that the user opened, and those about the user's agents. */
export function DisputesPanel() {
  const disputes = useDisputes();
  const agents = useMyAgents();
  const mine = new Set(agents.data?.items.map(({ id }) => id));
  return (
    <Panel title="Disputes">
      {disputes.error ? (
        <ProblemPanel error={disputes.error} />
      ) : !disputes.data ? (
        <Loading lines={2} />
      ) : disputes.data.items.length === 0 ? (
        <Empty title="No disputes">A completed task can be disputed from its page.</Empty>
      ) : (
        disputes.data.items.map((dispute) => (
          <DisputeCard key={dispute.id} dispute={dispute}>
            {dispute.status === 'open' && dispute.agent_id && mine.has(dispute.agent_id) && (
              <Answer dispute={dispute} />
            )}
          </DisputeCard>
        ))
      )}
    </Panel>
  );
}

const STATES: Record<Dispute['status'], readonly [tone: string, text: string]> = {
  open: ['warn', 'Waits for an admin'],
  upheld: ['bad', 'Upheld: the submitter got the credits back'],
  rejected: ['ok', 'Rejected: the agent’s owner keeps them'],
};

/** What both sides and the admin said. @param children what can be done about it */
export function DisputeCard({ dispute, children }: { dispute: Dispute; children?: ReactNode }) {
  const [tone, text] = STATES[dispute.status];
  return (
    <article className="in ruled" aria-label={`Dispute about ${credits(dispute.amount)} credits`}>
      <p>
        <Tag tone={tone}>{text}</Tag> <b>{credits(dispute.amount)} credits</b> for{' '}
        <Link to="/tasks/$taskId" params={{ taskId: dispute.task_id }}>
          this task
        </Link>
        , <span className="dim">opened {shortDate(dispute.opened_at)}</span>
      </p>
      <p>Submitter: “{dispute.reason}”</p>
      {dispute.answer && <p>Agent’s owner: “{dispute.answer}”</p>}
      {dispute.decision && <p>Admin: “{dispute.decision}”</p>}
      {children}
    </article>
  );
}

function Answer({ dispute }: { dispute: Dispute }) {
  const renew = useLedgerRenewal();
  const [isOpen, setOpen] = useState(false);
  const answer = useMutation({
    mutationFn: (text: string) =>
      unwrap(api.POST('/api/v1/ledger/disputes/{id}/answer', { params: { path: { id: dispute.id } }, body: { text } })),
    onSuccess: () => {
      setOpen(false);
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    answer.mutate(String(new FormData(event.currentTarget).get('text')).trim());
  };
  if (!isOpen)
    return (
      <Button small onClick={() => setOpen(true)}>
        {dispute.answer ? 'Change your answer' : 'Answer'}
      </Button>
    );
  return (
    <form className="form" onSubmit={submit}>
      <Field
        label="Your answer"
        hint="the submitter and admins read it"
        name="text"
        defaultValue={dispute.answer ?? ''}
        required
        autoFocus
      />
      {answer.error && <ProblemPanel error={answer.error} />}
      <div className="row">
        <Button small type="submit" busy={answer.isPending}>
          Send the answer
        </Button>
      </div>
    </form>
  );
}
