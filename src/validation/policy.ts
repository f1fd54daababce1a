import { HOST_FUNCTIONS, type FunctionSignature } from '../common/host-functions.js';
import type { Refusal } from './wasm/refusal.js';
import { signatureText } from './wasm/types.js';
import type { WalkedModule } from './wasm/walked-module.js';

/** What an agent must export and may import, beyond being a valid module. */
export type PolicyRefusalCode =
  | 'FORBIDDEN_IMPORT_MODULE'
  | 'IMPORT_KIND_NOT_ALLOWED'
  | 'UNKNOWN_IMPORT'
  | 'IMPORT_SIGNATURE_MISMATCH'
  | 'MEMORY_MISSING'
  | 'MEMORY_NOT_EXPORTED'
  | 'ENTRY_POINT_MISSING'
  | 'ENTRY_POINT_SIGNATURE';

/** The function that is one run of an agent. */
const ENTRY_POINT = '_start';
const ENTRY_POINT_SIGNATURE = signatureText([], []);
/** The memory that the host's functions read and write. */
const MEMORY = 'memory';

/** Modules of imports that say they reach for the machine, whatever their functions are. */
const FORBIDDEN_MODULE = /system|exec|process|kernel/i;

/** @returns the first reason why a valid module cannot be an agent, or null */
export function policyRefusal(module: WalkedModule): Refusal<PolicyRefusalCode> | null {
  for (const imported of module.imports) {
    const refusal = importRefusal(imported);
    if (refusal) return refusal;
  }
  return memoryRefusal(module) ?? entryPointRefusal(module);
}

type Import = WalkedModule['imports'][number];

function importRefusal({ module, name, kind, type }: Import): Refusal<PolicyRefusalCode> | null {
  const full = `"${module}"."${name}"`;
  if (FORBIDDEN_MODULE.test(module)) {
    return refusal(
      'FORBIDDEN_IMPORT_MODULE',
      `The module imports ${full}: agents have no access to the system, its processes or its kernel. Remove the import.`,
    );
  }
  if (kind !== 'function') {
    return refusal(
      'IMPORT_KIND_NOT_ALLOWED',
      `The module imports the ${kind} ${full}, but the host provides functions only. Define it inside the module` +
        `${kind === 'memory' ? ': link without --import-memory' : ''}.`,
    );
  }
  const expected = hostFunction(module, name);
  if (!expected) {
    return refusal(
      'UNKNOWN_IMPORT',
      `The module imports the function ${full}, which the host does not provide. ${originAdvice(module)}`,
    );
  }
  const signature = signatureText(expected.params, expected.results);
  if (type !== signature) {
    return refusal(
      'IMPORT_SIGNATURE_MISMATCH',
      `The module imports ${full} as ${type}, but the host provides it as ${signature}. Correct its declaration.`,
    );
  }
  return null;
}

/** Uploaders choose import names: `__proto__` must find nothing. */
function hostFunction(module: string, name: string): FunctionSignature | undefined {
  if (!Object.hasOwn(HOST_FUNCTIONS, module)) return undefined;
  const functions: Record<string, FunctionSignature> = HOST_FUNCTIONS[module as keyof typeof HOST_FUNCTIONS];
  return Object.hasOwn(functions, name) ? functions[name] : undefined;
}

/** The module of an import usually shows the toolchain, and so how to build for this host. */
function originAdvice(module: string): string {
  const origin = ORIGINS.find(([pattern]) => pattern.test(module));
  return origin?.[1] ?? 'Remove it, or build for WASI preview 1, for example with the target wasm32-wasip1.';
}

const ORIGINS: readonly (readonly [RegExp, string])[] = [
  [/^env$/, 'It is an undefined symbol: link the library that defines it, and build for WASI preview 1.'],
  [/^(wbg|__wbindgen.*|.*_bg\.js)$/, 'Build without wasm-bindgen, for the target wasm32-wasip1.'],
  [/^(gojs|go)$/, 'Build with GOOS=wasip1 instead of GOOS=js.'],
  [/^wasi_(unstable|snapshot_preview0)$/, 'Build for WASI preview 1 with a newer toolchain.'],
  [/^wasi_snapshot_preview1$/, 'It is not part of WASI preview 1: remove it, or use a released toolchain.'],
  [/^wasi:/, 'Build for WASI preview 1 instead of preview 2.'],
];

function memoryRefusal({ memory, exports }: WalkedModule): Refusal<PolicyRefusalCode> | null {
  if (!memory) return refusal('MEMORY_MISSING', `The module has no memory. Define one and export it as "${MEMORY}".`);
  if (exports.some(({ name, kind }) => name === MEMORY && kind === 'memory')) return null;
  return refusal('MEMORY_NOT_EXPORTED', `The module does not export its memory. Export it as "${MEMORY}".`);
}

function entryPointRefusal({ exports }: WalkedModule): Refusal<PolicyRefusalCode> | null {
  const entry = exports.find(({ name, kind }) => name === ENTRY_POINT && kind === 'function');
  if (!entry) {
    return refusal(
      'ENTRY_POINT_MISSING',
      `The module exports no function "${ENTRY_POINT}". Build a command with a main function, not a library or reactor.`,
    );
  }
  if (entry.type !== ENTRY_POINT_SIGNATURE) {
    return refusal(
      'ENTRY_POINT_SIGNATURE',
      `The function "${ENTRY_POINT}" is ${entry.type}, but it must be ${ENTRY_POINT_SIGNATURE}. ` +
        `Read the input from standard input and write the result to standard output.`,
    );
  }
  return null;
}

const refusal = (code: PolicyRefusalCode, message: string): Refusal<PolicyRefusalCode> => ({
  code,
  message,
  offset: null,
});
