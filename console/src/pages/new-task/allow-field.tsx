import { Field } from '../../ui/basics';
import type { Draft } from './draft';

type Kind = keyof Draft['allow'];

/** What each kind of permission means for the submitter. */
const KINDS: readonly (readonly [Kind, string, string])[] = [
  ['http', 'Web requests (http)', 'to the hosts that the agent names'],
  ['llm', 'Language models (llm)', 'of this server, at its prices'],
  ['kv', 'Memory (kv)', 'that the agent keeps between tasks'],
  ['ask', 'Questions (ask)', 'to you: the task waits for your answer'],
  ['tasks', 'Sub-tasks (tasks)', 'for other agents, which you pay'],
];

interface AllowFieldProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

/** Consent to host calls, and the most they may cost. */
export function AllowField({ draft, onChange }: AllowFieldProps) {
  const { allow, maxHostCost } = draft;
  const costs = allow.http || allow.llm || allow.tasks;
  return (
    <fieldset className="field allow">
      <legend className="lab">
        Agents may use <small>agents that need more do not bid</small>
      </legend>
      <div className="consents">
        {KINDS.map(([kind, name, detail]) => (
          <label className="tick" key={kind}>
            <input
              type="checkbox"
              checked={allow[kind]}
              onChange={({ target }) => onChange({ allow: { ...allow, [kind]: target.checked } })}
            />
            <span>
              {name} <span className="dim">{detail}</span>
            </span>
          </label>
        ))}
      </div>
      {(allow.http || allow.llm || allow.kv || allow.tasks) && (
        <p className="hint">
          Web requests, models and memory can carry your input to the agent’s owner, and sub-tasks to other owners.
        </p>
      )}
      {costs && (
        <Field
          label="At most for these calls and sub-tasks"
          hint="credits, on top of the budget"
          inputMode="decimal"
          placeholder="0"
          value={maxHostCost}
          onChange={({ target }) => onChange({ maxHostCost: target.value })}
        />
      )}
    </fieldset>
  );
}
