import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { rawFetch } from '../../api/client';
import { useStatement } from '../../api/ledger';
import { credits } from '../../lib/format';
import { Button, Field, KeyValues, Loading, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';

/** Sums of a month, and all its lines as a file. */
export function StatementPanel() {
  const [month, setMonth] = useState(() => new Date().toISOString().slice(0, 7));
  const statement = useStatement(month);
  const download = useMutation({
    mutationFn: async () => save(await csvOf(month), `statement-${month}.csv`),
  });
  return (
    <Panel title="Monthly statement" note="months of UTC">
      <div className="in form">
        <Field
          label="Month"
          hint="such as 2026-11"
          pattern="\d{4}-\d{2}"
          value={month}
          onChange={(event) => setMonth(event.target.value.trim())}
        />
        {statement.error ? (
          <ProblemPanel error={statement.error} />
        ) : statement.data ? (
          <KeyValues
            rows={[
              ['At the beginning', credits(statement.data.opening)],
              ['Bought', `−${credits(statement.data.bought)}`],
              ['Earned after fees', `+${credits(statement.data.earned)}`],
              ['Fees of these earnings', credits(statement.data.fees)],
              ['Other', credits(statement.data.other)],
              ['At the end', <b key="closing">{credits(statement.data.closing)}</b>],
            ]}
          />
        ) : (
          statement.isLoading && <Loading lines={3} />
        )}
        {download.error && <ProblemPanel error={download.error} />}
        <div className="row">
          <Button
            small
            glyph="get"
            disabled={!statement.data}
            busy={download.isPending}
            onClick={() => download.mutate()}
          >
            Download all lines as CSV
          </Button>
        </div>
      </div>
    </Panel>
  );
}

const csvOf = async (month: string): Promise<Blob> =>
  (await rawFetch(`/api/v1/ledger/statement?format=csv&month=${encodeURIComponent(month)}`)).blob();

function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  Object.assign(link, { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
