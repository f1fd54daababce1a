import type { Schemas } from '../api/client';

/** What a version may ask of the host, in words; empty: nothing. */
export function permissionWords(permissions: Schemas['PermissionsDto'] | null): string[] {
  if (!permissions) return [];
  const { http, llm, kv, ask, tasks, output } = permissions;
  return [
    ...(http ? http.hosts.map((host) => `${(http.methods ?? ['GET']).join(', ')} ${host}`) : []),
    ...(llm ? llm.models.map((model) => `model ${model}`) : []),
    ...(kv ? ['state'] : []),
    ...(ask ? ['questions to you'] : []),
    ...(tasks ? tasks.capabilities.map((capability) => `sub-tasks for ${capability}`) : []),
    ...(output ? ['partial results'] : []),
  ];
}
