import { Injectable } from '@nestjs/common';
import { AccessTokens, ApiKeys, assertScope, type Caller, RequestLimits } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { FailedHandshakes } from '../protection/index.js';

/** Identifies a socket's client by its handshake or `auth.refresh`. */
@Injectable()
export class SocketCredentials {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly keys: ApiKeys,
    private readonly requests: RequestLimits,
    private readonly failures: FailedHandshakes,
  ) {}

  /**
   * Counts as a read of the user. Wrong credentials count as a failure of the address.
   * @param credentials `{ token }` or `{ api_key }`, unchecked
   * @throws AppError as for HTTP
   */
  async authenticate(credentials: unknown, address: string): Promise<Caller> {
    await this.failures.check(address);
    const caller = await this.identify(credentials).catch(async (error: unknown) => {
      if (error instanceof AppError) await this.failures.count(address);
      throw error;
    });
    await this.requests.takeMessage('read', caller.id);
    return caller;
  }

  private async identify(credentials: unknown): Promise<Caller> {
    const { token, api_key: key } = (credentials ?? {}) as { token?: unknown; api_key?: unknown };
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    const byKey = token === undefined && key !== undefined;
    const caller = byKey ? await this.keys.authenticate(text(key)) : this.tokens.verify(text(token));
    assertScope(caller, 'tasks:read');
    return caller;
  }
}
