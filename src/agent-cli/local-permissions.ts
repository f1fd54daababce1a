import { existsSync } from 'node:fs';
import { AppError } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { assertMayCall, assertOffered } from '../common/permission-rules.js';
import { type Permissions, PermissionsDto } from '../common/permissions.dto.js';
import { CONSENT_KINDS, lacking } from '../common/permissions.js';
import type { Environment } from '../config/index.js';
import type { ValidationReport } from '../validation/index.js';
import { AgentRefused, type Command, UsageError } from './command.js';
import { parseJson, readFile } from './option-file.js';

/**
 * Checks what the version may call and what the task allows, as upload and auction do.
 * @throws AgentRefused when the upload or the auction would refuse the agent
 */
export function assertGranted(
  { file, calls: { allow } }: Command,
  { imports }: ValidationReport,
  permissions: Permissions | undefined,
): void {
  try {
    assertMayCall(imports, permissions);
  } catch (error) {
    const { code, message } = error as AppError;
    throw new AgentRefused(`✗ ${file} would be refused: ${code}\n  ${message}\n  Here, --permissions takes them.`);
  }
  const missing = lacking(permissions ?? null, allow ?? CONSENT_KINDS);
  if (missing.length > 0) {
    const needs = missing.join(', ');
    throw new AgentRefused(`✗ ${file} would not bid: its permissions name ${needs}, which --allow does not.`);
  }
}

/**
 * @param source a path, or JSON text; undefined: none
 * @param offered kinds that the operator offers
 * @throws UsageError that names the members which an upload would refuse
 */
export function readPermissions(
  source: string | undefined,
  offered: Environment['hostCalls']['offered'],
): Permissions | undefined {
  if (source === undefined) return undefined;
  const isJsonText = /^\s*[{[]/.test(source) && !existsSync(source);
  const value = parseJson('--permissions', isJsonText ? source : readFile(source).toString());
  try {
    const permissions = checkedDto(PermissionsDto, value as object);
    assertOffered(permissions, offered);
    return permissions;
  } catch (error) {
    const { errors = [] } = error instanceof AppError ? error : {};
    const reasons = errors.map(({ field, message }) => `${pathOf(field)} ${message}`);
    throw new UsageError(`--permissions: ${reasons.join('; ') || (error as Error).message}`);
  }
}

/** The member's path in an upload form. */
const pathOf = (field: string): string =>
  field.startsWith('permissions') ? field : ['permissions', field].filter(Boolean).join('.');
