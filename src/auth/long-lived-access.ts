import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import type { Caller } from './caller.js';
import { Revocations } from './revocations.js';

/** How often connections are checked for expired credentials, ms. */
const LOOK_MS = 1000;

/** A connection that outlives the request which opened it. */
export interface LongLivedConnection {
  /** The caller as last admitted. */
  readonly caller: Caller;
  /** Called once, when the caller's access has ended or its role has changed. Must close the connection. */
  onAccessEnded(reason: AppError): void;
}

/** Ends connections when the access that opened them ends: within a second of expiry, and at once when revoked. */
@Injectable()
export class LongLivedAccess implements OnApplicationShutdown {
  private readonly connections = new Set<LongLivedConnection>();
  private readonly stop: () => void;

  constructor(private readonly revocations: Revocations) {
    const clock = setInterval(() => this.look(), LOOK_MS);
    const forget = revocations.onChange(() => this.look());
    this.stop = () => {
      clearInterval(clock);
      forget();
    };
  }

  /** @returns a function to call when the connection has closed */
  keep(connection: LongLivedConnection): () => void {
    this.connections.add(connection);
    return () => this.connections.delete(connection);
  }

  onApplicationShutdown(): void {
    this.stop();
  }

  private look(): void {
    for (const connection of this.connections) {
      const reason = this.endOf(connection.caller);
      if (!reason) continue;
      this.connections.delete(connection);
      connection.onAccessEnded(reason);
    }
  }

  private endOf(caller: Caller): AppError | null {
    try {
      return this.revocations.admit(caller).role === caller.role ? null : roleChanged();
    } catch (refusal) {
      return refusal as AppError;
    }
  }
}

const roleChanged = (): AppError =>
  new AppError('unauthorised', 'ROLE_CHANGED', 'The role of this account is another one now: connect again.');
