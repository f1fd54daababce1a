import { useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { type DragEvent, type FormEvent, useState } from 'react';
import type { Schemas } from '../api/client';
import { ApiProblem } from '../api/problem';
import { type Agent, forgetAgent, useAgent } from '../api/queries';
import { uploadVersion } from '../api/upload';
import { bytes, shortId } from '../lib/format';
import { Button, Copy, Field, Loading, Panel } from '../ui/basics';
import { Glyph, type GlyphName } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';

const route = getRouteApi('/agents/upload');

type Uploaded = Schemas['UploadedDto'];

type Progress =
  | { step: 'idle' }
  | { step: 'sending'; share: number }
  | { step: 'checking' }
  | { step: 'done'; answer: Uploaded }
  | { step: 'refused'; error: unknown };

/** A new agent, or a new version of one. */
export function Upload() {
  const { agent } = route.useSearch();
  return agent ? <ForAgent id={agent} /> : <Form />;
}

function ForAgent({ id }: { id: string }) {
  const { data, error } = useAgent(id);
  if (error)
    return (
      <main className="page">
        <ProblemPanel error={error} />
      </main>
    );
  return data ? <Form agent={data} /> : <Loading />;
}

function Form({ agent }: { agent?: Agent }) {
  const queries = useQueryClient();
  const [file, setFile] = useState<File>();
  const [progress, setProgress] = useState<Progress>({ step: 'idle' });
  const isBusy = progress.step === 'sending' || progress.step === 'checking';

  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (!file) return;
    const typed = new FormData(event.currentTarget);
    const form = new FormData();
    for (const [name, value] of typed)
      if (name !== 'slug' && typeof value === 'string' && value.trim()) form.set(name, value);
    form.set('wasm_binary', file, file.name);
    setProgress({ step: 'sending', share: 0 });
    uploadVersion(agent?.id ?? String(typed.get('slug')), form, (share) =>
      setProgress(share < 1 ? { step: 'sending', share } : { step: 'checking' }),
    ).then(
      (answer) => {
        setProgress({ step: 'done', answer });
        forgetAgent(queries, answer.agent_id);
      },
      (error) => setProgress({ step: 'refused', error }),
    );
  };

  return (
    <main className="page narrow">
      <nav className="crumb" aria-label="Where this is">
        <Link to="/agents">My agents</Link>
        <span>/</span>
        <span>{agent ? agent.slug : 'Upload'}</span>
      </nav>
      <h1>{agent ? `A new version of ${agent.name}` : 'Upload an agent'}</h1>
      <p className="lead">
        One WebAssembly binary: a command that reads the task from standard input and writes JSON to standard output.
      </p>
      <div className="upload">
        <form className="form" onSubmit={submit}>
          <FileDrop file={file} onFile={setFile} disabled={isBusy} />
          {!agent && (
            <>
              <div className="pair">
                <Field
                  label="Slug"
                  hint="its name in addresses"
                  name="slug"
                  required
                  pattern="[a-z0-9]([a-z0-9\-]*[a-z0-9])?"
                  title="Small letters, digits and hyphens"
                />
                <Field label="Name" name="name" required />
              </div>
              <label className="field">
                <span className="lab">Description</span>
                <textarea className="input" name="description" rows={2} />
              </label>
              <Field label="Capabilities" hint="separated by commas" name="capabilities" required />
            </>
          )}
          <div className="pair">
            <Field label="Version" hint="empty: the next patch" name="version" placeholder="1.0.0" />
            <Field
              label="Price"
              hint="credits a task"
              name="price"
              inputMode="decimal"
              required={!agent}
              placeholder={agent ? String(agent.price) : '0.10'}
            />
          </div>
          <label className="field">
            <span className="lab">
              Permissions <small>JSON: what it may ask of the host; empty: nothing</small>
            </span>
            <textarea
              className="input mono"
              name="permissions"
              rows={2}
              spellCheck={false}
              placeholder='{"http":{"hosts":["api.github.com"]},"llm":{"models":["echo"]},"kv":{},"output":true}'
            />
          </label>
          <Field label="Expected time" hint="ms a run, your estimate" name="expected_duration_ms" inputMode="numeric" />
          <div className="row">
            <Button type="submit" look="primary" disabled={!file} busy={isBusy}>
              {agent ? 'Upload the version' : 'Upload the agent'}
            </Button>
          </div>
        </form>
        <Outcome progress={progress} file={file} />
      </div>
    </main>
  );
}

interface FileDropProps {
  file: File | undefined;
  onFile: (file: File) => void;
  disabled: boolean;
}

function FileDrop({ file, onFile, disabled }: FileDropProps) {
  const [isOver, setOver] = useState(false);
  const over = (is: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setOver(is);
  };
  return (
    <label
      className={`drop${isOver ? ' over' : ''}`}
      onDragOver={over(true)}
      onDragLeave={over(false)}
      onDrop={(event) => {
        over(false)(event);
        const [dropped] = event.dataTransfer.files;
        if (dropped && !disabled) onFile(dropped);
      }}
    >
      <b>{file ? file.name : 'Drop a .wasm file here, or choose one'}</b>
      {file && <span className="dim">{bytes(file.size)}</span>}
      <input
        type="file"
        accept=".wasm,application/wasm"
        disabled={disabled}
        onChange={(event) => {
          const [chosen] = event.target.files ?? [];
          if (chosen) onFile(chosen);
        }}
      />
    </label>
  );
}

/** What happens to the file, step by step, and how it ended. */
function Outcome({ progress, file }: { progress: Progress; file: File | undefined }) {
  if (progress.step === 'idle')
    return (
      <Panel title="What happens then">
        <div className="find2">
          <Glyph name="put" />
          <span>The file is received and hashed.</span>
          <Glyph name="check" />
          <span>It is validated in a process of its own: structure, limits, imports.</span>
          <Glyph name="search" />
          <span>The virus scanner reads it, where this server has one.</span>
          <Glyph name="gavel" />
          <span>The version bids at once if it is the highest release.</span>
        </div>
      </Panel>
    );
  const { step } = progress;
  const malware = step === 'refused' && progress.error instanceof ApiProblem && progress.error.code === 'MALWARE_FOUND';
  const sent = step === 'sending' ? progress.share : 1;
  const received = step === 'sending' ? 'running' : 'completed';
  const validated = {
    sending: 'queued',
    checking: 'running',
    done: 'completed',
    refused: malware ? 'completed' : 'failed',
  } as const;
  return (
    <Panel title={file?.name ?? 'Upload'} note={file && bytes(file.size)}>
      <div className="in stack">
        <div className="prog" role="progressbar" aria-label="Sent" aria-valuenow={Math.round(sent * 100)}>
          <i style={{ width: `${sent * 100}%` }} />
        </div>
        <div className="row wide-row" role="status">
          <StepState glyph={received} text={step === 'sending' ? `Sending ${Math.round(sent * 100)} %` : 'Received'} />
          <StepState glyph={validated[step]} text={step === 'refused' && !malware ? 'Refused' : 'Validation'} />
          {step === 'done' ? (
            <Scan scan={progress.answer.scan} />
          ) : (
            <StepState glyph={malware ? 'failed' : step === 'refused' ? 'cancelled' : 'queued'} text="Scan" />
          )}
        </div>
      </div>
      {step === 'refused' && <Refusal error={progress.error} />}
      {step === 'done' && <Done answer={progress.answer} />}
    </Panel>
  );
}

function StepState({ glyph, text }: { glyph: GlyphName; text: string }) {
  return (
    <span className={`st ${glyph}`}>
      <Glyph name={glyph} />
      {text}
    </span>
  );
}

function Scan({ scan }: { scan: Uploaded['scan'] }) {
  if (scan.status === 'clean') return <StepState glyph="completed" text="Scan clean" />;
  const text = scan.status === 'not_configured' ? 'No scanner here' : 'Scanned later';
  return <StepState glyph="cancelled" text={text} />;
}

/** The reason with its advice, and the byte at which it was seen. */
function Refusal({ error }: { error: unknown }) {
  const report =
    error instanceof ApiProblem ? (error.more.validation as Schemas['ValidationReport'] | undefined) : undefined;
  const offset = (report?.error as { offset?: number | null } | null | undefined)?.offset;
  return (
    <>
      <ProblemPanel error={error} />
      {typeof offset === 'number' && (
        <p className="note mute">Seen at byte {offset.toLocaleString('en')} of the file. Nothing was stored.</p>
      )}
    </>
  );
}

function Done({ answer }: { answer: Uploaded }) {
  return (
    <div className="note column" role="status">
      <p>
        <b>
          Version {answer.version} {answer.status === 'unchanged' ? 'was there already' : 'is stored'}.
        </b>{' '}
        {answer.message}
      </p>
      <p className="mute">
        SHA-256 <span className="mono">{shortId(answer.binary_hash)}</span>
        <Copy text={answer.binary_hash} what="the hash" />
      </p>
      <Link className="btn small" to="/agents/$agentId" params={{ agentId: answer.agent_id }}>
        To the agent
      </Link>
    </div>
  );
}
