import { type ReactNode, useState } from 'react';
import { plural } from '../lib/format';

/** Open at first; deeper levels open on request. */
const OPEN_LEVELS = 2;
/** A list this long starts closed, and shows this many at once. */
const LONG = 8;
const SHOWN_AT_ONCE = 200;

/** A JSON document as a tree. Everything in it is text: nothing becomes HTML. */
export function JsonTree({ value, label }: { value: unknown; label: string }) {
  return (
    <div className="json" role="group" aria-label={label} tabIndex={0}>
      <Node value={value} level={0} />
    </div>
  );
}

function Node({
  value,
  level,
  name,
  isLast = true,
}: {
  value: unknown;
  level: number;
  name?: string;
  isLast?: boolean;
}) {
  const entries = entriesOf(value);
  const [isOpen, setOpen] = useState(level < OPEN_LEVELS && (level === 0 || !entries || entries.length <= LONG));
  const [limit, setLimit] = useState(SHOWN_AT_ONCE);
  const key = name === undefined ? null : <span className="k">{JSON.stringify(name)}: </span>;
  const comma = isLast ? '' : ',';
  if (!entries)
    return (
      <div>
        {key}
        <Leaf value={value} />
        {comma}
      </div>
    );
  const [begin, end] = Array.isArray(value) ? '[]' : '{}';
  if (entries.length === 0)
    return (
      <div>
        {key}
        <span className="p">
          {begin}
          {end}
        </span>
        {comma}
      </div>
    );
  const toggle = (text: ReactNode) => (
    <button type="button" className="p fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
      {text}
    </button>
  );
  if (!isOpen)
    return (
      <div>
        {key}
        {toggle(`${begin} ${plural(entries.length, Array.isArray(value) ? 'item' : 'member')} ${end}`)}
        {comma}
      </div>
    );
  return (
    <div>
      {key}
      {toggle(begin)}
      <div className="branch">
        {entries.slice(0, limit).map(([entry, child], index) => (
          <Node
            key={entry}
            value={child}
            level={level + 1}
            name={Array.isArray(value) ? undefined : entry}
            isLast={index === entries.length - 1}
          />
        ))}
        {entries.length > limit && (
          <button type="button" className="aslink" onClick={() => setLimit(limit + SHOWN_AT_ONCE)}>
            {plural(entries.length - limit, 'more item')}
          </button>
        )}
      </div>
      <span className="p">{end}</span>
      {comma}
    </div>
  );
}

function Leaf({ value }: { value: unknown }) {
  if (typeof value === 'string') return <span className="s">{JSON.stringify(value)}</span>;
  return <span className="n">{String(value)}</span>;
}

function entriesOf(value: unknown): [string, unknown][] | null {
  if (typeof value !== 'object' || value === null) return null;
  return Object.entries(value);
}
