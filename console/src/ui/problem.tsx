import type { ReactNode } from 'react';
import { ApiProblem } from '../api/problem';
import { shortId } from '../lib/format';
import { toast } from './toasts';

/** A refusal: the server's sentence, its code and trace, and what to do. */
export function ProblemPanel({ error, action }: { error: unknown; action?: ReactNode }) {
  const problem =
    error instanceof ApiProblem
      ? error
      : new ApiProblem(0, { detail: `This page has a fault: ${(error as Error).message}`, code: 'PAGE_FAULT' });
  const { status, code, traceId, errors, message } = problem;
  const all = [message, status || '', code, traceId ?? '', ...errors.map((it) => `${it.field}: ${it.message}`)];
  const copy = () =>
    void navigator.clipboard?.writeText(all.filter(Boolean).join('\n')).then(() => toast('Copied the error.'));
  return (
    <div className="problem" role="alert">
      <p>{message}</p>
      {errors.length > 0 && (
        <ul>
          {errors.map(({ field, message: text }) => (
            <li key={`${field} ${text}`}>
              <span className="mono">{field}</span> {text}
            </li>
          ))}
        </ul>
      )}
      <div className="ids">
        {status > 0 && <span>{status}</span>}
        <span className="mono">{code}</span>
        {traceId && (
          <span className="mono" title={traceId}>
            {shortId(traceId)}
          </span>
        )}
        <button type="button" className="aslink" onClick={copy}>
          Copy all
        </button>
      </div>
      {action && <div className="row">{action}</div>}
    </div>
  );
}
