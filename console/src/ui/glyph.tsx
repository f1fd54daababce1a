import type { ReactNode } from 'react';

/** Each is drawn in a square of 14. */
const GLYPHS = {
  queued: <circle cx="7" cy="7" r="5.5" strokeDasharray="2 1.95" />,
  assigned: (
    <>
      <circle cx="7" cy="7" r="5.5" strokeDasharray="0.5 2.4" />
      <circle cx="7" cy="7" r="1.5" fill="currentColor" stroke="none" />
    </>
  ),
  running: (
    <>
      <circle cx="7" cy="7" r="5.5" opacity=".3" />
      <path d="M7 1.5A5.5 5.5 0 0 1 12.5 7" />
    </>
  ),
  input_required: (
    <>
      <circle cx="7" cy="7" r="5.5" />
      <path d="M5.4 5.6a1.6 1.6 0 1 1 2.4 1.4c-.5.3-.8.6-.8 1.1M7 9.9h.01" />
    </>
  ),
  completed: (
    <>
      <circle cx="7" cy="7" r="6.2" fill="currentColor" stroke="none" />
      <path d="M4.4 7.2 6.2 9l3.4-3.8" stroke="var(--surface)" />
    </>
  ),
  failed: (
    <>
      <circle cx="7" cy="7" r="6.2" fill="currentColor" stroke="none" />
      <path d="m5 5 4 4M9 5 5 9" stroke="var(--surface)" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="7" cy="7" r="5.5" />
      <path d="m3.2 10.8 7.6-7.6" />
    </>
  ),
  search: (
    <>
      <circle cx="6" cy="6" r="4" />
      <path d="m9 9 3.5 3.5" />
    </>
  ),
  copy: (
    <>
      <rect x="4.5" y="4.5" width="7.5" height="7.5" rx="1.5" />
      <path d="M9.5 2.5h-6a1.5 1.5 0 0 0-1.5 1.5v6" />
    </>
  ),
  chev: <path d="m5 3.5 3.5 3.5L5 10.5" />,
  down: <path d="M3.5 5 7 8.5 10.5 5" />,
  x: <path d="m4 4 6 6M10 4l-6 6" />,
  plus: <path d="M7 2.5v9M2.5 7h9" />,
  dots: <path d="M3 7h.01M7 7h.01M11 7h.01" strokeWidth="2" />,
  gavel: <path d="M2 12h6M7.2 2.2l4.6 4.6M5.5 4l4.5 4.5M8.6 5.4 3.5 10.5" />,
  flow: <path d="M2.5 3v4a2 2 0 0 0 2 2h7M9 6.5 11.5 9 9 11.5" />,
  box: (
    <>
      <rect x="2" y="2" width="10" height="10" rx="1.5" />
      <path d="M2 5.5h10" />
    </>
  ),
  clock: (
    <>
      <circle cx="7" cy="7" r="5.5" />
      <path d="M7 4v3l2 1.5" />
    </>
  ),
  coin: (
    <>
      <circle cx="7" cy="7" r="5.5" />
      <path d="M7 4.2v5.6M5.2 5.6h2.7a1.3 1.3 0 0 1 0 2.7H5.2" />
    </>
  ),
  star: <path d="m7 1.8 1.6 3.3 3.6.5-2.6 2.5.6 3.6L7 10l-3.2 1.7.6-3.6L1.8 5.6l3.6-.5z" />,
  retry: <path d="M11.8 5.5A5 5 0 1 0 12 7.5M12 2.5v3H9" />,
  check: <path d="m3 7.5 2.8 2.8L11 4.5" />,
  get: <path d="M7 2v7M4 6.5 7 9.5l3-3M2.5 12h9" />,
  put: <path d="M7 9.5v-7M4 5.5l3-3 3 3M2.5 12h9" />,
  warn: <path d="M7 2 12.5 11.5h-11zM7 6v2.5M7 10.2h.01" />,
  swap: <path d="M2 5h9L8.5 2.5M12 9H3l2.5 2.5" />,
  menu: <path d="M2 4h10M2 7h10M2 10h10" />,
  list: <path d="M5 3.5h7M5 7h7M5 10.5h7M2 3.5h.01M2 7h.01M2 10.5h.01" />,
  person: (
    <>
      <circle cx="7" cy="4.5" r="2.5" />
      <path d="M2.5 12a4.5 4.5 0 0 1 9 0" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type GlyphName = keyof typeof GLYPHS;

/** @param label what it means, where no word beside it says so */
export function Glyph({ name, label }: { name: GlyphName; label?: string }) {
  return (
    <svg
      className="i"
      viewBox="0 0 14 14"
      {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true })}
    >
      {GLYPHS[name]}
    </svg>
  );
}

export function Logo() {
  return (
    <svg
      width="26"
      height="16"
      viewBox="0 0 26 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d="M2 1.5v13" />
      <ellipse cx="11" cy="8" rx="4.5" ry="5.3" />
      <path d="M20.5 1.5 24.5 8l-4 6.5" />
    </svg>
  );
}
