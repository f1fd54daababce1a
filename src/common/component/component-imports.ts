/** Interfaces of WASI 0.2 that components may import. */
export const WASI_INTERFACES = [
  'wasi:cli/environment',
  'wasi:cli/exit',
  'wasi:cli/stdin',
  'wasi:cli/stdout',
  'wasi:cli/stderr',
  'wasi:cli/terminal-input',
  'wasi:cli/terminal-output',
  'wasi:cli/terminal-stdin',
  'wasi:cli/terminal-stdout',
  'wasi:cli/terminal-stderr',
  'wasi:clocks/monotonic-clock',
  'wasi:clocks/wall-clock',
  'wasi:filesystem/preopens',
  'wasi:filesystem/types',
  'wasi:http/outgoing-handler',
  'wasi:http/types',
  'wasi:io/error',
  'wasi:io/poll',
  'wasi:io/streams',
  'wasi:random/insecure',
  'wasi:random/insecure-seed',
  'wasi:random/random',
] as const;

/** The interface of ZeroState's own that components may import: host calls. */
export const HOST_INTERFACE = 'zerostate:agent/host';
/** Interfaces of which a component exports one, with the function `run`. */
export const WASI_RUN = 'wasi:cli/run';
export const AGENT_RUN = 'zerostate:agent/run';
export const ENTRY_FUNCTION = 'run';

export type HostInterfaceName = (typeof WASI_INTERFACES)[number] | typeof HOST_INTERFACE;

const IMPORTABLE: readonly string[] = [...WASI_INTERFACES, HOST_INTERFACE];
/** Any patch of WASI 0.2 is compatible with its host; of ZeroState's own package any 1.x. No pre-releases. */
const WASI_VERSION = /^0\.2\.\d{1,4}$/;
const OWN_VERSION = /^1\.\d{1,4}\.\d{1,4}$/;

/** The parts of an interface's name such as `wasi:cli/run@0.2.3`; the version is null where there is none. */
export function nameAndVersion(name: string): { name: string; version: string | null } {
  const at = name.lastIndexOf('@');
  return at < 0 ? { name, version: null } : { name: name.slice(0, at), version: name.slice(at + 1) };
}

/** @returns the interface that a component imports by this name, without version; undefined for one it may not import */
export function interfaceOf(importName: string): HostInterfaceName | undefined {
  const { name } = nameAndVersion(importName);
  return IMPORTABLE.includes(name) && isSupported(importName) ? (name as HostInterfaceName) : undefined;
}

/** @returns the entry point that a component exports by this name */
export function entryOf(exportName: string): typeof WASI_RUN | typeof AGENT_RUN | undefined {
  const { name } = nameAndVersion(exportName);
  return (name === WASI_RUN || name === AGENT_RUN) && isSupported(exportName) ? name : undefined;
}

function isSupported(fullName: string): boolean {
  const { name, version } = nameAndVersion(fullName);
  return version !== null && (name.startsWith('wasi:') ? WASI_VERSION : OWN_VERSION).test(version);
}
