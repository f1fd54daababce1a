import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, unwrap } from '../../api/client';
import { useDisputes, useLedgerRenewal } from '../../api/ledger';
import { type Task, useMyAgents } from '../../api/queries';
import { credits } from '../../lib/format';
import { Button, Field, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { DisputeCard } from '../wallet/disputes';

/** The dispute about a completed task that was paid for, or the way to open one. Shown to its submitter. */
export function DisputePanel({ task }: { task: Task }) {
  const renew = useLedgerRenewal();
  const [isOpening, setOpening] = useState(false);
  const mine = useMyAgents();
  const disputes = useDisputes();
  const dispute = disputes.data?.items.find(({ task_id }) => task_id === task.id);
  const open = useMutation({
    mutationFn: (reason: string) => unwrap(api.POST('/api/v1/ledger/disputes', { body: { task_id: task.id, reason } })),
    onSuccess: () => {
      setOpening(false);
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    open.mutate(String(new FormData(event.currentTarget).get('reason')).trim());
  };
  const isOwn = mine.data?.items.some(({ id }) => id === task.agent_id) ?? true;
  if (task.status !== 'completed' || !task.cost || !disputes.data || isOwn) return null;
  if (dispute)
    return (
      <Panel title="Dispute">
        <DisputeCard dispute={dispute} />
      </Panel>
    );
  return (
    <Panel title="Is the result wrong?">
      {isOpening ? (
        <form className="in form" onSubmit={submit}>
          <Field label="What is wrong" hint="the agent’s owner and admins read it" name="reason" required autoFocus />
          {open.error && <ProblemPanel error={open.error} />}
          <div className="row">
            <Button onClick={() => setOpening(false)}>Keep it</Button>
            <Button type="submit" busy={open.isPending}>
              Open the dispute
            </Button>
          </div>
        </form>
      ) : (
        <div className="in spread-row">
          <p className="mute">An admin can return the {credits(task.cost)} credits that you paid.</p>
          <Button small onClick={() => setOpening(true)}>
            Dispute the task
          </Button>
        </div>
      )}
    </Panel>
  );
}
