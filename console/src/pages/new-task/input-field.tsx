import { useState } from 'react';
import { rawFetch } from '../../api/client';
import { bytes } from '../../lib/format';
import { Segments } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { type Draft, inputOf, type InputKind } from './draft';

interface InputFieldProps {
  draft: Draft;
  onChange: (change: Partial<Draft>) => void;
}

/** The input: a text, JSON, or a file that is too large to type. */
export function InputField({ draft, onChange }: InputFieldProps) {
  const input = inputOf(draft);
  const isWrong = 'error' in input && draft.kind === 'json';
  const size = new TextEncoder().encode(draft.kind === 'text' ? draft.text : draft.json).length;
  return (
    <div className="field">
      <div className="lab">
        <span>Input</span>
        <Segments<InputKind>
          label="Kind of input"
          value={draft.kind}
          options={[
            ['text', 'Text'],
            ['json', 'JSON'],
            ['file', 'File'],
          ]}
          onChange={(kind) => onChange({ kind })}
        />
      </div>
      {draft.kind === 'text' && (
        <textarea
          className="input"
          rows={7}
          aria-label="Text"
          value={draft.text}
          onChange={(event) => onChange({ text: event.target.value })}
        />
      )}
      {draft.kind === 'json' && (
        <textarea
          className={`input mono${isWrong ? ' err' : ''}`}
          rows={9}
          aria-label="JSON"
          aria-invalid={isWrong || undefined}
          aria-describedby="input-hint"
          spellCheck={false}
          value={draft.json}
          onChange={(event) => onChange({ json: event.target.value })}
        />
      )}
      {draft.kind === 'file' && <FileField draft={draft} onChange={onChange} />}
      <div className="hint spread" id="input-hint">
        {isWrong ? (
          <span className="error">{input.error}</span>
        ) : (
          <span>
            {draft.kind === 'text' && (
              <>
                Sent as <code className="mono">{'{"text": …}'}</code>
              </>
            )}
          </span>
        )}
        {draft.kind !== 'file' && <span className="nowrap">{bytes(size)}</span>}
      </div>
    </div>
  );
}

/** Brings the file to the server at once: the simulation already needs its size. */
function FileField({ draft, onChange }: InputFieldProps) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const bring = async (file: File): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const headers = { 'content-type': 'application/json' };
      const response = await rawFetch('/api/v1/tasks/inputs', { method: 'POST', headers, body: file });
      const { input_ref, size } = (await response.json()) as { input_ref: string; size: number };
      onChange({ file: { name: file.name, size, ref: input_ref } });
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  return (
    <div className="drop">
      {draft.file && (
        <p>
          <b>{draft.file.name}</b> <span className="dim">{bytes(draft.file.size)}</span>
        </p>
      )}
      <input
        type="file"
        accept=".json,application/json"
        aria-label="File with one JSON document"
        disabled={isBusy}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) void bring(file);
        }}
      />
      <p className="hint">
        {isBusy ? 'Sending the file …' : 'One JSON document. Only you and the agent that does the task see it.'}
      </p>
      {Boolean(error) && <ProblemPanel error={error} />}
    </div>
  );
}
