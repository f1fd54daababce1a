import { STATUS_CODES } from 'node:http';
import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { Problem } from './problem.js';

/** The usual meaning of a status, with its usual code and detail. */
const USUAL: Record<number, { meaning: string; code: string; detail: string; errors?: Problem['errors'] }> = {
  400: {
    meaning: 'The request is malformed; `errors` names the fields.',
    code: 'VALIDATION_FAILED',
    detail: 'The request has mistakes; `errors` says where.',
    errors: [{ field: 'limit', message: 'limit must not be greater than 100' }],
  },
  401: {
    meaning: 'The access token or API key is missing, expired, revoked or wrong.',
    code: 'TOKEN_EXPIRED',
    detail: 'The access token has expired: refresh it (POST /api/v1/auth/refresh), or log in again.',
  },
  403: {
    meaning: 'The role, or the scopes of the API key, do not allow this; or the account is suspended.',
    code: 'SCOPE_REQUIRED',
    detail: 'This API key lacks the scope tasks:write.',
  },
  404: {
    meaning: 'It does not exist, or it is not yours.',
    code: 'NOT_FOUND',
    detail: 'There is no such task, or it is not yours.',
  },
  409: {
    meaning: 'The current state does not allow this.',
    code: 'CONFLICT',
    detail: 'The current state does not allow this.',
  },
  413: {
    meaning: 'The body is larger than its limit, which the answer names.',
    code: 'BODY_TOO_LARGE',
    detail: 'The body is larger than 1114112 bytes.',
  },
  415: {
    meaning: 'The body has a media type that this route does not read.',
    code: 'UNSUPPORTED_MEDIA_TYPE',
    detail: 'Send JSON with `Content-Type: application/json`.',
  },
  422: {
    meaning: 'Well-formed, but refused because of its content.',
    code: 'UNPROCESSABLE',
    detail: 'Well-formed, but refused because of its content.',
  },
  429: {
    meaning: 'Too many requests; `Retry-After` says how many seconds to wait.',
    code: 'RATE_LIMITED',
    detail: 'Too many requests: try again in 12 s.',
  },
  500: {
    meaning: 'A fault of the server; search its log for `trace_id`.',
    code: 'INTERNAL',
    detail: 'The server failed. Its log has the details under this trace_id.',
  },
  503: {
    meaning: 'The server is overloaded, or a dependency is away; `Retry-After` says when to try again.',
    code: 'OVERLOADED',
    detail: 'The server has more to do than it can: try again in 2 s.',
  },
  507: {
    meaning: 'The server is short of disk space. Nothing was stored; `Retry-After` says when to try again.',
    code: 'DISK_FULL',
    detail: 'The server is short of disk space and stores nothing new. Nothing was written: try again later.',
  },
};

/** Answers that any route may give. */
const ANYWHERE = [429, 500, 503];

/** Adds the common answers to a route. Answers that the route documents itself stay. */
export function addUsualProblems(responses: Record<string, object>): void {
  for (const status of ANYWHERE) responses[status] ??= problemResponse(status, USUAL[status]);
}

export interface DocumentedProblem {
  /** When this answer is given. */
  meaning: string;
  code: string;
  detail: string;
  errors?: Problem['errors'];
  /** Schemas of members that this problem has in addition to the usual ones. */
  members?: Record<string, { $ref: string } | { type: 'number'; description: string; example: number }>;
}

/** Documents the usual error answers of a route. If it reads a body, include 413 and 415. */
export const ApiProblems = (...statuses: number[]) =>
  applyDecorators(...statuses.map((status) => ApiProblem(status, USUAL[status])));

/** Documents one error answer specific to the route. */
export const ApiProblem = (status: number, documented: DocumentedProblem) =>
  applyDecorators(ApiExtraModels(Problem), ApiResponse({ status, ...problemResponse(status, documented) }));

function problemResponse(status: number, { meaning, code, detail, errors, members }: DocumentedProblem) {
  const problem = { $ref: getSchemaPath(Problem) };
  return {
    description: meaning,
    content: {
      'application/problem+json': {
        schema: members ? { allOf: [problem, { type: 'object' as const, properties: members }] } : problem,
        example: {
          type: `urn:zerostate:problem:${code.toLowerCase().replaceAll('_', '-')}`,
          title: STATUS_CODES[status],
          status,
          detail,
          code,
          trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
          ...(errors && { errors }),
        },
      },
    },
  };
}
