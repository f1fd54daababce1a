import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { AppError } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { jsonFault } from '../common/json-scanner.js';
import { RawJson } from '../common/raw-json.js';
import { TaskConfig } from '../config/index.js';
import { assertUtf8, discardBody, readBody } from '../common/request-body.js';
import { bodyReader } from './body-routes.js';

/** Room for the members of a task beside its input. Bytes. */
const BODY_MARGIN = 64 * 1024;

/** The largest body that is read into memory, bytes. */
export const maxBodyBytes = ({ maxInputBytes }: { maxInputBytes: number }): number => maxInputBytes + BODY_MARGIN;

/**
 * The JSON parser of `bodyReader`. It runs after the guard that admits the caller, so a refused caller's body is never parsed.
 * `request.body` becomes a `RawJson`, which `DtoPipe` takes apart.
 */
@Injectable()
export class JsonBody implements CanActivate {
  constructor(private readonly limits: TaskConfig) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<Request>();
    if (bodyReader(request) === 'parser') request.body = await this.read(request);
    return true;
  }

  private async read(request: Request): Promise<RawJson> {
    assertUtf8(request);
    try {
      const most = maxBodyBytes(this.limits);
      const bytes = await readBody(request, most, () => tooLarge(request, most, this.limits.maxInputBlobBytes));
      return bytes.length === 0 ? new RawJson('{}') : checkedJson(bytes);
    } catch (error) {
      discardBody(request);
      throw error;
    }
  }
}

function checkedJson(bytes: Buffer): RawJson {
  // How deep a member may nest is the rule of its route.
  const fault = jsonFault(bytes, Infinity);
  if (fault) throw new AppError('invalid', 'MALFORMED_REQUEST', `The body is not one JSON document: ${fault}.`);
  const text = bytes.toString();
  if (!/^\s*\{/.test(text)) throw malformed([{ field: '', message: 'a JSON object is expected' }]);
  return new RawJson(text);
}

function tooLarge({ path }: Request, most: number, mostByReference: number): AppError {
  const limit = `The body is larger than ${most} bytes.`;
  const advice = `Bring a large input to POST /api/v1/tasks/inputs (at most ${mostByReference} bytes) and name it as input_ref.`;
  const takesInput = /^\/api\/v1\/(tasks|auctions)\b/i.test(path);
  return new AppError('too_large', 'BODY_TOO_LARGE', takesInput ? `${limit} ${advice}` : limit);
}
