import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { type SpendingLimit, useLedgerRenewal, useSpendingLimits } from '../../api/ledger';
import { credits, shortDate } from '../../lib/format';
import { Button, Field, KeyValues, Loading, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';

/** What the account may spend on tasks, and the form that changes it. */
export function LimitsPanel() {
  const limits = useSpendingLimits();
  const [isOpen, setOpen] = useState(false);
  const own = limits.data?.items.find(({ key_id }) => key_id === null);
  return (
    <Panel
      title="Spending limits"
      note="of the account, for tasks"
      end={
        <Button small disabled={!limits.data} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Change
        </Button>
      }
    >
      {isOpen && <LimitForm limit={own} onDone={() => setOpen(false)} />}
      {limits.error ? (
        <ProblemPanel error={limits.error} />
      ) : !limits.data ? (
        <Loading lines={2} />
      ) : (
        <div className="in">
          <KeyValues
            rows={[
              ['For each task', creditsOr(own?.per_task, 'No limit')],
              ['For each day', creditsOr(own?.per_day, 'No limit')],
              own && own.left_today !== null
                ? ['Left today', `${credits(own.left_today)} until ${shortDate(own.renews_at)}`]
                : null,
            ]}
          />
        </div>
      )}
    </Panel>
  );
}

interface LimitFormProps {
  title?: string;
  /** The API key to limit; unset: the account. */
  keyId?: string;
  /** As it stands; unset: none. */
  limit: SpendingLimit | undefined;
  onDone: () => void;
}

export function LimitForm({ title, keyId, limit, onDone }: LimitFormProps) {
  const renew = useLedgerRenewal();
  const change = useMutation({
    mutationFn: (body: Schemas['SetLimitsDto']) =>
      unwrap(
        keyId === undefined
          ? api.PUT('/api/v1/ledger/limits', { body })
          : api.PUT('/api/v1/ledger/limits/keys/{id}', { params: { path: { id: keyId } }, body }),
      ),
    onSuccess: () => {
      toast('The limits are in force.');
      onDone();
      return renew();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const amount = (name: string): string | null => String(form.get(name)).trim() || null;
    change.mutate({ per_task: amount('per_task'), per_day: amount('per_day') });
  };
  return (
    <form className="in form ruled-below" aria-label={title ?? 'Spending limits'} onSubmit={submit}>
      {title && <p className="mute">{title}. Keys that it makes count as well.</p>}
      <div className="pair">
        <Field
          label="For each task"
          hint="credits; empty: no limit"
          name="per_task"
          inputMode="decimal"
          autoFocus
          defaultValue={limit?.per_task ?? ''}
        />
        <Field
          label="For each day"
          hint="days of UTC; empty: no limit"
          name="per_day"
          inputMode="decimal"
          defaultValue={limit?.per_day ?? ''}
        />
      </div>
      {change.error && <ProblemPanel error={change.error} />}
      <div className="row">
        <Button type="submit" busy={change.isPending}>
          Set the limits
        </Button>
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** In a few words, for a table. */
export function limitText(limit: SpendingLimit | undefined): string {
  if (!limit) return 'No limit';
  const { per_task, per_day, left_today } = limit;
  const parts = [
    per_task === null ? [] : `${credits(per_task)} a task`,
    per_day === null ? [] : `${credits(per_day)} a day (${creditsOr(left_today, '0')} left)`,
  ].flat();
  return parts.join(', ') || 'No limit';
}

const creditsOr = (amount: number | null | undefined, otherwise: string): string =>
  typeof amount === 'number' ? credits(amount) : otherwise;
