import { ProtocolError, type ProtocolErrorCode } from '@modelcontextprotocol/server';
import { AppError } from '../common/app-error.js';

/** For a catch: gives errors of services the protocol's form. @throws ProtocolError; any other error again */
export const asProtocolError =
  (code: ProtocolErrorCode) =>
  (error: unknown): never => {
    if (!(error instanceof AppError)) throw error;
    throw new ProtocolError(code, `${error.code}: ${error.message}`);
  };
