import type { Schemas } from '../api-types.js';

type Permissions = Schemas['PermissionsDto'];

export const kindsOf = (permissions: Permissions | null | undefined): string[] =>
  Object.entries(permissions ?? {}).flatMap(([kind, value]) => (value === false ? [] : [kind]));

export interface PermissionDiff {
  added: string[];
  removed: string[];
}

/** Compares what two versions may ask of the host, one line for each single thing. */
export function permissionDiff(had: Permissions | null, wanted: Permissions | null): PermissionDiff {
  const [before, after] = [linesOf(had), linesOf(wanted)];
  return {
    added: after.filter((line) => !before.includes(line)),
    removed: before.filter((line) => !after.includes(line)),
  };
}

function linesOf(permissions: Permissions | null): string[] {
  const { http, llm } = permissions ?? {};
  return kindsOf(permissions).flatMap((kind) => {
    if (kind === 'http' && http) {
      // A version that names no methods may only GET.
      const methods = http.methods ?? ['GET'];
      return [...http.hosts.map((host) => `http: host ${host}`), ...methods.map((method) => `http: method ${method}`)];
    }
    if (kind === 'llm' && llm) return llm.models.map((model) => `llm: model ${model}`);
    return [kind];
  });
}

export const diffText = ({ added, removed }: PermissionDiff): string =>
  added.length + removed.length === 0
    ? 'Permissions: unchanged.'
    : ['Permissions:', ...added.map((line) => `  + ${line}`), ...removed.map((line) => `  - ${line}`)].join('\n');
