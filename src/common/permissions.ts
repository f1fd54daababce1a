import { HTTP_METHODS, type HttpMethod, type Permissions } from './permissions.dto.js';

/** Kinds of permission that a task has to allow, because they can cost money, carry its input to the agent's owner, or wait for its submitter. */
export const CONSENT_KINDS = ['http', 'llm', 'kv', 'ask', 'tasks'] as const;
export type ConsentKind = (typeof CONSENT_KINDS)[number];

/** Every kind of permission. `output` reaches the submitter alone, so tasks need not allow it. */
export const PERMISSION_KINDS = [...CONSENT_KINDS, 'output'] as const;
export type PermissionKind = (typeof PERMISSION_KINDS)[number];

/** The kinds of permission that a version has. */
export const kindsOf = (permissions: Permissions | null): PermissionKind[] =>
  permissions ? PERMISSION_KINDS.filter((kind) => permissions[kind] !== undefined) : [];

/** The kinds that a version needs and that are not among `granted`. `output` is always granted. */
export const lacking = (permissions: Permissions | null, granted: readonly string[]): PermissionKind[] =>
  kindsOf(permissions).filter((kind) => kind !== 'output' && !granted.includes(kind));

export const methodsOf = (http: { methods?: HttpMethod[] }): HttpMethod[] => http.methods ?? [HTTP_METHODS[0]];

/** Whether `wanted` allows anything that `had` does not: a kind, a host, a method, a model or a capability. */
export function isWider(wanted: Permissions | null, had: Permissions | null): boolean {
  if (kindsOf(wanted).some((kind) => had?.[kind] === undefined)) return true;
  const http = wanted?.http && had?.http ? { wanted: wanted.http, had: had.http } : null;
  const llm = wanted?.llm && had?.llm ? { wanted: wanted.llm, had: had.llm } : null;
  const tasks = wanted?.tasks && had?.tasks ? { wanted: wanted.tasks, had: had.tasks } : null;
  return (
    (tasks !== null && !isWithin(tasks.wanted.capabilities, tasks.had.capabilities)) ||
    (http !== null &&
      (!isWithin(http.wanted.hosts, http.had.hosts) || !isWithin(methodsOf(http.wanted), methodsOf(http.had)))) ||
    (llm !== null && !isWithin(llm.wanted.models, llm.had.models))
  );
}

const isWithin = (some: readonly string[], all: readonly string[]): boolean =>
  some.every((entry) => all.includes(entry));
