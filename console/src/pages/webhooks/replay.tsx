import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { lastSeq } from '../../api/feed';
import { api, type Schemas, unwrap } from '../../api/client';
import { useWebhookRenewal, type Webhook } from '../../api/webhooks';
import { plural } from '../../lib/format';
import { Button, Field, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

/** Sends a part of the feed again, 500 events at a time. */
export function ReplayPanel({ webhook: { id, status } }: { webhook: Webhook }) {
  const renew = useWebhookRenewal();
  const [after, setAfter] = useState('');
  const [until, setUntil] = useState('');
  const replay = useMutation({
    mutationFn: (body: Schemas['ReplayRangeDto']) =>
      unwrap(api.POST('/api/v1/webhooks/{id}/replay', { params: { path: { id } }, body })) as Promise<
        Schemas['ReplayedDto']
      >,
    onSuccess: ({ next_after_seq: next }) => {
      if (next !== null) setAfter(String(next));
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    replay.mutate({ after_seq: Number(after), ...(until.trim() && { until_seq: Number(until) }) });
  };
  const newest = lastSeq();
  return (
    <Panel title="Replay a range">
      <form className="in form" onSubmit={submit}>
        <div className="pair">
          <Field
            label="After event"
            hint="not included"
            inputMode="numeric"
            pattern="\s*\d+\s*"
            title="The number of an event, such as 1200"
            value={after}
            onChange={(event) => setAfter(event.target.value)}
            required
          />
          <Field
            label="Up to event"
            hint="empty: newest"
            inputMode="numeric"
            pattern="\s*\d*\s*"
            title="The number of an event, or nothing"
            value={until}
            onChange={(event) => setUntil(event.target.value)}
          />
        </div>
        {replay.error && <ProblemPanel error={replay.error} />}
        {replay.data && <Replayed result={replay.data} />}
        <div className="row">
          <Button type="submit" busy={replay.isPending} disabled={status !== 'active'}>
            {replay.data?.next_after_seq ? 'Replay the next part' : 'Replay these events'}
          </Button>
          <span className="dim">
            {status !== 'active'
              ? 'Activate the webhook first'
              : newest !== undefined && `The newest event is ${newest}`}
          </span>
        </div>
      </form>
    </Panel>
  );
}

function Replayed({ result: { replayed, next_after_seq: next } }: { result: Schemas['ReplayedDto'] }) {
  return (
    <p role="status">
      {replayed === 0
        ? 'No event of this part passes the filters.'
        : `${plural(replayed, 'event')} will be sent again.`}
      {next !== null && ` The range has more, after event ${next}.`}
    </p>
  );
}
