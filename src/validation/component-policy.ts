import {
  ENTRY_FUNCTION,
  entryOf,
  HOST_INTERFACE,
  interfaceOf,
  nameAndVersion,
  WASI_RUN,
} from '../common/component/component-imports.js';
import type { PolicyRefusalCode } from './policy.js';
import type { Refusal } from './wasm/refusal.js';
import type { WalkedModule } from './wasm/walked-module.js';

/** What an agent that is a component exports and may import. @returns the first reason why it cannot be one, or null */
export function componentRefusal({ imports, exports }: WalkedModule): Refusal<PolicyRefusalCode> | null {
  for (const { module: name, kind } of imports) {
    if (kind === 'instance' && interfaceOf(name)) continue;
    const message = `The component imports "${name}", which the host does not provide. ${importAdvice(name)}`;
    return { code: 'UNKNOWN_IMPORT', message, offset: null };
  }
  if (exports.some(({ name, kind }) => kind === 'instance' && entryOf(name))) return null;
  const wrongVersion = exports.find(({ name }) => entryOf(withoutVersion(name)) !== undefined);
  const seen = wrongVersion ? `It exports "${wrongVersion.name}", whose version is not supported.` : '';
  const message =
    `The component exports neither "${WASI_RUN}@0.2.x" nor "zerostate:agent/run@1.x" with a function ` +
    `"${ENTRY_FUNCTION}". ${seen} Build it for the world wasi:cli/command or zerostate:agent/agent.`;
  return { code: 'ENTRY_POINT_MISSING', message: message.replace('  ', ' '), offset: null };
}

/** The name with a version that is supported. */
const withoutVersion = (fullName: string): string => {
  const { name } = nameAndVersion(fullName);
  return `${name}@${name.startsWith('wasi:') ? '0.2.0' : '1.0.0'}`;
};

/** The entry point's world; null without one. */
export function worldOf({ exports }: WalkedModule): string | null {
  const entry = exports.map(({ name }) => entryOf(name)).find((name) => name !== undefined);
  if (!entry) return null;
  return entry === WASI_RUN ? 'wasi:cli/command' : 'zerostate:agent/agent';
}

function importAdvice(fullName: string): string {
  const { name } = nameAndVersion(fullName);
  if (interfaceOf(withoutVersion(fullName))) {
    return name.startsWith('wasi:') ? 'Use WASI 0.2, such as 0.2.6.' : 'Use version 1 of the package zerostate:agent.';
  }
  return ORIGINS.find(([pattern]) => pattern.test(name))?.[1] ?? 'Remove the import.';
}

const ORIGINS: readonly (readonly [RegExp, string])[] = [
  [/^wasi:http\//, 'Agents send requests by wasi:http/outgoing-handler and serve none: build without the interface.'],
  [/^wasi:sockets\//, 'Agents have no sockets: build without networking.'],
  [/^wasi:(keyvalue|config|blobstore|logging|messaging|nn)\//, `Use the methods of "${HOST_INTERFACE}" instead.`],
  [/^wasi:/, 'Build for the world wasi:cli/command of WASI 0.2, without the interface.'],
];
