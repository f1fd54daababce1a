import { Inject, Injectable, Logger } from '@nestjs/common';
import { kindsOf, type PermissionKind } from '../common/permissions.js';
import type { Permissions } from '../common/permissions.dto.js';
import { HostCallConfig } from '../config/index.js';
import type { RunPlace } from '../execution/index.js';
import { AttemptCalls, type CallingAttempt } from './attempt-calls.js';
import { CallRecords } from './call-records.js';
import { HOST_CALL_METHODS, type Handlers, type HostCallMethod, type Parking } from './host-call.js';

/** Token of the `Handlers`. */
export const HANDLERS = Symbol('HANDLERS');

/** Decides what an attempt may ask of the host, and serves its calls. */
@Injectable()
export class HostCallBroker {
  private readonly logger = new Logger('HostCalls');

  constructor(
    @Inject(HANDLERS) private readonly handlers: Handlers,
    private readonly records: CallRecords,
    private readonly config: HostCallConfig,
  ) {}

  /**
   * Opens the host's side of an attempt. Close it when the attempt's run is over.
   * @param permissions of the version at work
   * @param allow kinds of permission that the task allows
   * @param parkingOf how the attempt waits for its submitter, by the slot of its run
   * @returns null when the attempt may call nothing
   */
  open(
    attempt: CallingAttempt,
    permissions: Permissions | null,
    allow: readonly PermissionKind[],
    parkingOf: (place: RunPlace) => Parking,
  ): AttemptCalls | null {
    const granted = grantedOf(permissions, [...allow, 'output'], this.config.offered);
    const methods = METHODS.filter((name) => granted[HOST_CALL_METHODS[name]] !== undefined);
    if (methods.length === 0) return null;
    const { handlers, records, config, logger } = this;
    return new AttemptCalls({ attempt, permissions: granted, methods, handlers, records, parkingOf, config, logger });
  }
}

const METHODS = Object.keys(HOST_CALL_METHODS) as HostCallMethod[];

/** A version's permissions, as far as both the task and the operator go along. */
function grantedOf(
  permissions: Permissions | null,
  allow: readonly PermissionKind[],
  offered: readonly PermissionKind[],
): Permissions {
  const kinds = kindsOf(permissions).filter((kind) => allow.includes(kind) && offered.includes(kind));
  return Object.fromEntries(kinds.map((kind) => [kind, permissions?.[kind]]));
}
