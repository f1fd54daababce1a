import { type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode, useEffect, useId, useState } from 'react';
import { capital, clock, fullTime, relative, shortId } from '../lib/format';
import type { TaskStatus } from '../lib/events';
import { Glyph, type GlyphName } from './glyph';
import { toast } from './toasts';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'primary' | 'quiet' | 'danger';
  small?: boolean;
  glyph?: GlyphName;
  /** Shows that it works on it, and takes no further press. */
  busy?: boolean;
}

export function Button({ look, small, glyph, busy, children, className = '', ...rest }: ButtonProps) {
  const classes = ['btn', look ?? '', small ? 'small' : '', children ? '' : 'icon', className]
    .filter(Boolean)
    .join(' ');
  return (
    <button type="button" className={classes} aria-busy={busy || undefined} {...rest} disabled={busy || rest.disabled}>
      {busy ? (
        <span className="st running ink">
          <Glyph name="running" />
        </span>
      ) : (
        glyph && <Glyph name={glyph} />
      )}
      {children}
    </button>
  );
}

export function State({ status, pill }: { status: TaskStatus; pill?: boolean }) {
  return (
    <span className={`st ${status}${pill ? ' pill' : ''}`}>
      <Glyph name={status} />
      {status === 'input_required' ? 'Asks you' : capital(status)}
    </span>
  );
}

export function Tag({ tone = '', glyph, children }: { tone?: string; glyph?: GlyphName; children: ReactNode }) {
  return (
    <span className={`tag ${tone}`}>
      {glyph && <Glyph name={glyph} />}
      {children}
    </span>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, text: ReactNode])[];
  onChange: (value: T) => void;
}

/** Switches a view: two to six choices. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <div className="seg" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button key={option} type="button" aria-pressed={option === value} onClick={() => onChange(option)}>
          {text}
        </button>
      ))}
    </div>
  );
}

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: string;
  /** In words, below the field. */
  error?: string;
}

export function Field({ label, hint, error, ...input }: FieldProps) {
  const id = useId();
  return (
    <label className="field">
      <span className="lab">
        {label} {hint && <small>{hint}</small>}
      </span>
      <input
        {...input}
        className={`input${error ? ' err' : ''}`}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? id : undefined}
      />
      {error && (
        <span className="hint error" id={id}>
          {error}
        </span>
      )}
    </label>
  );
}

/** A list of facts: up to eight, label over value. */
export function Facts({ facts }: { facts: readonly (readonly [label: string, value: ReactNode] | null)[] }) {
  return (
    <dl className="facts">
      {facts.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

export function KeyValues({ rows }: { rows: readonly (readonly [label: string, value: ReactNode] | null)[] }) {
  return (
    <dl className="kv">
      {rows.map((row) => row && [<dt key={`${row[0]} label`}>{row[0]}</dt>, <dd key={`${row[0]} value`}>{row[1]}</dd>])}
    </dl>
  );
}

interface PanelProps {
  title?: string;
  /** Beside the title, in grey. */
  note?: ReactNode;
  /** At the right end of the heading row. */
  end?: ReactNode;
  className?: string;
  children: ReactNode;
}

export function Panel({ title, note, end, className = '', children }: PanelProps) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={title ? id : undefined}>
      {(title || end) && (
        <header>
          {title && <h2 id={id}>{title}</h2>}
          {note && <span className="dim">{note}</span>}
          {end && <div className="end">{end}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** What goes here, why nothing is here, and the one next step. */
export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <h3>{title}</h3>
      {children && <p className="mute">{children}</p>}
      {action}
    </div>
  );
}

/** Nothing at first, then grey lines in the shape of what comes. */
export function Loading({ lines = 4 }: { lines?: number }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="in loading" role="status" aria-busy="true" aria-label="Loading">
      {isLate &&
        Array.from({ length: lines }, (_, line) => (
          <span key={line} className="skel" style={{ width: `${[42, 88, 71, 80, 65][line % 5]}%` }} />
        ))}
    </div>
  );
}

/** Copies all of a text that may be shown cut. */
export function Copy({ text, what }: { text: string; what: string }) {
  const copy = () =>
    navigator.clipboard
      ? void navigator.clipboard.writeText(text).then(() => toast(`Copied ${what}.`))
      : toast('This page may not use the clipboard: it needs HTTPS.');
  return (
    <button
      type="button"
      className="btn quiet icon tiny"
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
      onClick={copy}
    >
      <Glyph name="copy" />
    </button>
  );
}

export function Id({ id, what }: { id: string; what: string }) {
  return (
    <span className="id">
      <span className="mono" title={id}>
        {shortId(id)}
      </span>
      <Copy text={id} what={what} />
    </span>
  );
}

/** The time, how long ago, and the full date in the tooltip. */
export function Time({ at, ms, ago = true }: { at: string; ms?: boolean; ago?: boolean }) {
  useNow(30_000);
  return (
    <time dateTime={at} title={fullTime(at)}>
      {clock(at, ms)} {ago && <span className="dim">· {relative(at, Date.now())}</span>}
    </time>
  );
}

/** How long ago. The clock is read anew with each time that arrives, so that news is not in the future. */
export function Ago({ at }: { at: string }) {
  useNow(30_000);
  return (
    <time dateTime={at} title={fullTime(at)}>
      {relative(at, Date.now())}
    </time>
  );
}

/** @returns the present time, renewed every `everyMs`; 0: never again */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (everyMs === 0) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
