import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { api, unwrap } from '../../api/client';
import { type NewWebhook, useWebhookRenewal, type Webhook } from '../../api/webhooks';
import { shortDate } from '../../lib/format';
import { Button, Copy, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

/** A secret, once. @param children what to do with it */
export function SecretOnce({ secret, children }: { secret: string; children: ReactNode }) {
  return (
    <div className="note column shown-once" role="status">
      <p>
        <b>This is the secret. It is shown this once:</b> copy it now. {children}
      </p>
      <p className="id">
        <code className="mono block" tabIndex={0}>
          {secret}
        </code>
        <Copy text={secret} what="the secret" />
      </p>
    </div>
  );
}

const OVERLAPS = [
  [86_400, 'For a day'],
  [3600, 'For an hour'],
  [604_800, 'For a week'],
  [0, 'Not at all: it ends at once'],
] as const;

/** Makes a new secret, and says how long the old one signs too. */
export function SecretPanel({ webhook }: { webhook: Webhook }) {
  const renew = useWebhookRenewal();
  const [isOpen, setOpen] = useState(false);
  const rotate = useMutation({
    mutationFn: (overlap_s: number) =>
      unwrap(
        api.POST('/api/v1/webhooks/{id}/secret', { params: { path: { id: webhook.id } }, body: { overlap_s } }),
      ) as Promise<NewWebhook>,
    onSuccess: () => {
      setOpen(false);
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    rotate.mutate(Number(new FormData(event.currentTarget).get('overlap')));
  };
  const until = webhook.previous_secret_until;
  return (
    <Panel
      title="Secret"
      end={
        <Button small aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Rotate
        </Button>
      }
    >
      {isOpen && (
        <form className="in form ruled-below" onSubmit={submit}>
          <label className="field">
            <span className="lab">The old secret signs too</span>
            <select className="input" name="overlap" autoFocus>
              {OVERLAPS.map(([seconds, text]) => (
                <option key={seconds} value={seconds}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          {until && <p className="mute">An older secret still signs. It ends now.</p>}
          {rotate.error && <ProblemPanel error={rotate.error} />}
          <div className="row">
            <Button type="submit" busy={rotate.isPending}>
              Make a new secret
            </Button>
            <Button look="quiet" onClick={() => setOpen(false)}>
              Cancel
            </Button>
          </div>
        </form>
      )}
      {rotate.data && <SecretOnce secret={rotate.data.secret}>Then give it to your receiver.</SecretOnce>}
      <p className="in mute">
        {until
          ? `Until ${shortDate(until)} each request has two signatures, one of the old secret and one of the new.`
          : 'Each request is signed with one secret, by the rules of Standard Webhooks.'}
      </p>
    </Panel>
  );
}
