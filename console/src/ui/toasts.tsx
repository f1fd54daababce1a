import { useSyncExternalStore } from 'react';

/** Toasts only confirm what has no other sign. Errors stand where they belong. */
let shown: { id: number; text: string }[] = [];
let nextId = 1;
const listeners = new Set<() => void>();
const SHOWN_MS = 4000;

export function toast(text: string): void {
  const id = nextId++;
  change([...shown, { id, text }]);
  setTimeout(() => change(shown.filter((other) => other.id !== id)), SHOWN_MS);
}

function change(next: typeof shown): void {
  shown = next;
  for (const listener of listeners) listener();
}

export function Toasts() {
  const list = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
  return (
    <div className="toasts" role="status">
      {list.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  );
}
