import type { Steps } from './steps.js';

/** JSON text that is equal for equal documents, whatever the order of members. @throws TooCostly */
export function canonical(value: unknown, steps: Steps): string {
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value);
    steps.take(1 + (text.length >> 5));
    return text;
  }
  steps.take(1);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, steps)).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member, steps)}`).join(',')}}`;
}
