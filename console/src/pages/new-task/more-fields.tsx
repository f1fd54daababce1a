import { Field } from '../../ui/basics';
import { Glyph } from '../../ui/glyph';
import type { Draft } from './draft';

interface MoreFieldsProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

/** What most tasks leave as it is. */
export function MoreFields({ draft, onChange }: MoreFieldsProps) {
  const field = (name: 'timeoutS' | 'delayS' | 'deadline' | 'region' | 'memoryMb') => ({
    value: draft[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => onChange({ [name]: event.target.value }),
  });
  const box = (name: 'regionRequired' | 'shareLogs' | 'asDocument') => ({
    type: 'checkbox',
    checked: draft[name],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => onChange({ [name]: event.target.checked }),
  });
  const attempt = draft.timeoutS ? `${draft.timeoutS} s an attempt` : 'the server’s time limit';
  return (
    <details className="more-fields">
      <summary className="more">
        <Glyph name="chev" />
        <span>Timing, region, limits</span>
        <span className="dim">
          {attempt}, {draft.region || 'anywhere'}
        </span>
      </summary>
      <div className="pair">
        <Field label="Attempt limit" hint="seconds" inputMode="decimal" {...field('timeoutS')} />
        <Field label="Start after" hint="seconds" inputMode="decimal" {...field('delayS')} />
        <Field label="Deadline" type="datetime-local" {...field('deadline')} />
        <Field label="Memory" hint="MiB" inputMode="numeric" {...field('memoryMb')} />
        <Field label="Region" {...field('region')} />
        <label className="tick">
          <input {...box('regionRequired')} disabled={!draft.region} /> Only in this region
        </label>
      </div>
      <label className="tick">
        <input {...box('asDocument')} /> Keep the result as a document of its own, for large results
      </label>
      <label className="tick">
        <input {...box('shareLogs')} /> Show logs and error texts to the owners of the agents at work
      </label>
    </details>
  );
}
