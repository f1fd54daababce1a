import { HOST_INTERFACE, nameAndVersion } from './component/component-imports.js';
import { AppError } from './app-error.js';
import { malformed } from './dto.pipe.js';
import type { Permissions } from './permissions.dto.js';
import { kindsOf, type PermissionKind } from './permissions.js';

// What an upload checks about permissions beside their form. `npm run agent` checks the same without a server.

/**
 * @param offered kinds that the operator offers
 * @throws AppError `invalid` with one entry per permission that is not among them
 */
export function assertOffered(permissions: Permissions | undefined, offered: readonly PermissionKind[]): void {
  const refused = kindsOf(permissions ?? null).filter((kind) => !offered.includes(kind));
  if (refused.length === 0) return;
  const offers = offered.length > 0 ? `it offers ${offered.join(', ')}` : 'it offers none';
  throw malformed(
    refused.map((kind) => ({ field: `permissions.${kind}`, message: `is not offered by this server: ${offers}` })),
  );
}

/** @throws AppError `unprocessable` `PERMISSIONS_MISSING` for a binary that imports host calls and may make none */
export function assertMayCall(imports: readonly Import[], permissions: Permissions | undefined): void {
  const imported = imports.find(isHostCallImport)?.module;
  if (kindsOf(permissions ?? null).length > 0 || imported === undefined) return;
  const binary = imported === HOST_CALL_MODULE ? 'module' : 'component';
  const message =
    `The ${binary} imports "${imported}", but the upload names no permissions. ` +
    'Name what it may call in the field permissions, or remove the import.';
  throw new AppError('unprocessable', 'PERMISSIONS_MISSING', message);
}

/** Whether a binary imports host calls, which need permissions at the upload. */
export const importsHostCalls = (imports: readonly Import[]): boolean => imports.some(isHostCallImport);

/** `wasi:http` needs no permission at the upload: JavaScript toolchains import it for programs that never use it. */
const isHostCallImport = ({ module }: Import): boolean =>
  module === HOST_CALL_MODULE || nameAndVersion(module).name === HOST_INTERFACE;

/** The module of the import face of host calls. */
export const HOST_CALL_MODULE = 'zerostate';

interface Import {
  module: string;
}
