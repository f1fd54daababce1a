import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { rawFetch } from '../../api/client';
import { type Task, useMyAgents } from '../../api/queries';
import { isEnded } from '../../lib/events';
import { bytes } from '../../lib/format';
import { Button, Copy, Empty, Loading, Segments } from '../../ui/basics';
import { JsonTree } from '../../ui/json-tree';
import { ProblemPanel } from '../../ui/problem';
import { Rating } from './rating';

/** Larger documents are shown on request. */
const SHOWN_BYTES = 1024 * 1024;
/** Larger ones are offered as a download only: a browser would choke on them. */
const MAX_SHOWN_BYTES = 16 * 1024 * 1024;

type Which = 'result' | 'input';

/** The result and the input: as a tree, as text, or as a file. */
export function Documents({ task }: { task: Task }) {
  const mine = useMyAgents();
  /** Owners cannot rate the work of their own agents. */
  const isOwn = mine.data?.items.some(({ id }) => id === task.agent_id) ?? true;
  const [chosen, setChosen] = useState<Which>();
  const [view, setView] = useState<'tree' | 'text'>('tree');
  const [isWanted, setWanted] = useState(false);
  const which = chosen ?? (task.status === 'completed' || !isEnded(task.status) ? 'result' : 'input');
  const ref = which === 'result' ? task.result_ref : task.input_ref;
  const size = which === 'result' ? task.result_size : task.input_size;
  const inline = which === 'result' ? task.result : task.input;
  const exists = which === 'input' || task.status === 'completed';
  const isLarge = (size ?? 0) > SHOWN_BYTES;
  const isShown = exists && (!isLarge || isWanted);

  const document = useQuery({
    queryKey: ['document', ref],
    queryFn: () => fetchDocument(task.id, which).then((response) => response.text()),
    enabled: isShown && ref !== null,
    staleTime: Infinity,
  });
  const text = ref === null ? (inline === undefined ? undefined : JSON.stringify(inline, null, 2)) : document.data;
  const value = ref === null ? inline : parsed(document.data);

  return (
    <section className="panel" id="result" aria-labelledby="result-title">
      <header>
        <h2 id="result-title" className="sr">
          Result and input
        </h2>
        <Segments<Which>
          label="Result or input"
          value={which}
          options={[
            ['result', 'Result'],
            ['input', 'Input'],
          ]}
          onChange={(next) => {
            setChosen(next);
            setWanted(false);
          }}
        />
        {exists && size !== null && <span className="dim">{bytes(size)}</span>}
        {exists && (
          <div className="end">
            {isShown && (
              <Segments
                label="View"
                value={view}
                options={[
                  ['tree', 'Tree'],
                  ['text', 'Raw'],
                ]}
                onChange={setView}
              />
            )}
            {text !== undefined && isShown && <Copy text={text} what={`the ${which}`} />}
            <Button
              look="quiet"
              small
              glyph="get"
              aria-label={`Download the ${which}`}
              onClick={() => void download(task, which)}
            />
          </div>
        )}
      </header>
      {!exists ? (
        <Empty title={isEnded(task.status) ? 'No result' : 'No result yet'}>
          {isEnded(task.status)
            ? `The task ${task.status === 'failed' ? 'failed' : 'was cancelled'}.`
            : 'It appears here when the task completes.'}
        </Empty>
      ) : !isShown ? (
        <div className="empty">
          <p className="mute">
            {(size ?? 0) > MAX_SHOWN_BYTES
              ? 'It is too large to show here. Download it instead.'
              : `It is larger than ${bytes(SHOWN_BYTES)}, so it is not shown by itself.`}
          </p>
          {(size ?? 0) <= MAX_SHOWN_BYTES && <Button onClick={() => setWanted(true)}>Show {bytes(size ?? 0)}</Button>}
        </div>
      ) : document.error ? (
        <ProblemPanel error={document.error} />
      ) : text === undefined ? (
        <Loading />
      ) : view === 'tree' && value !== undefined ? (
        <JsonTree value={value} label={which === 'result' ? 'Result' : 'Input'} />
      ) : (
        <pre className="json" tabIndex={0} aria-label={which === 'result' ? 'Result' : 'Input'}>
          {text}
        </pre>
      )}
      {which === 'result' && task.status === 'completed' && !isOwn && <Rating task={task} />}
    </section>
  );
}

/** With `redirect=false` the bytes come from this server, wherever they are stored. */
const fetchDocument = (taskId: string, which: Which): Promise<Response> =>
  rawFetch(`/api/v1/tasks/${taskId}/${which}?redirect=false`);

async function download(task: Task, which: Which): Promise<void> {
  const ref = which === 'result' ? task.result_ref : task.input_ref;
  const inline = which === 'result' ? task.result : task.input;
  const blob = ref ? await (await fetchDocument(task.id, which)).blob() : new Blob([JSON.stringify(inline)]);
  const link = window.document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${which}-${task.id}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
