import { AGENT_RUN, ENTRY_FUNCTION, entryOf } from '../../common/component/component-imports.js';
import type { Component, Definition } from '../../common/component/definitions.js';

/** What is put behind a component so that validating the whole also checks the type of its entry point. */
export interface EntryProbe {
  /** The export that is the entry point, and the type of its function. */
  name: string;
  type: string;
  /** Sections that export the function a second time, with that type ascribed. */
  sections: Uint8Array;
}

const STRING = 0x73;
const RESULT = 0x6a;
const FUNCTION = 0x40;
const NO_NAME_ATTRIBUTES = 0;
const FUNC_SORT = 1;
const PROBE_EXPORT = 'zerostate-entry-probe';

/** @returns undefined for a component without an entry point */
export function entryProbe({ definitions }: Component): EntryProbe | undefined {
  const counts = { instance: 0, type: 0, func: 0 };
  let found: { name: string; instance: number } | undefined;
  for (const definition of definitions) {
    if (isEntry(definition)) found ??= { name: definition.name, instance: counts.instance };
    const sort = sortOf(definition);
    if (sort === 'instance' || sort === 'type' || sort === 'func') counts[sort]++;
  }
  if (!found) return undefined;
  const isAgent = entryOf(found.name) === AGENT_RUN;
  const result = isAgent ? [RESULT, 1, STRING, 1, STRING] : [RESULT, 0, 0];
  const params = isAgent ? [1, ...text('input'), STRING] : [0];
  const func = [FUNCTION, ...params, 0, ...signed(counts.type)];
  const sections = [
    section(7, [2, ...result, ...func]),
    section(6, [1, FUNC_SORT, 0, ...unsigned(found.instance), ...text(ENTRY_FUNCTION)]),
    section(11, [
      ...[1, NO_NAME_ATTRIBUTES, ...text(PROBE_EXPORT), FUNC_SORT, ...unsigned(counts.func)],
      ...[1, FUNC_SORT, ...unsigned(counts.type + 1)],
    ]),
  ];
  const type = isAgent ? 'func(input: string) -> result<string, string>' : 'func() -> result';
  return { name: found.name, type, sections: Uint8Array.from(sections.flat()) };
}

const isEntry = (definition: Definition): definition is Extract<Definition, { kind: 'export' }> =>
  definition.kind === 'export' && definition.item.sort === 'instance' && entryOf(definition.name) !== undefined;

/** The index space that a definition adds to. */
function sortOf(definition: Definition): string {
  switch (definition.kind) {
    case 'import':
      return definition.extern.sort;
    case 'export':
      return definition.item.sort;
    case 'alias':
      return definition.sort;
    case 'instantiate':
    case 'bundle':
      return 'instance';
    case 'lift':
      return 'func';
    default:
      return definition.kind;
  }
}

const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
const text = (value: string): number[] => [value.length, ...Buffer.from(value)];

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** A number that is not negative, as signed LEB128. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signed(value >>> 7)];
}
