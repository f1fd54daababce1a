import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { Problem } from './problem.js';

const MEANING: Record<number, string> = {
  400: 'The request is malformed; `errors` names the fields.',
  401: 'The access token is missing, expired or wrong.',
  403: 'The role does not allow this.',
  404: 'There is no such thing, or it is not yours.',
  409: 'The present state does not allow this.',
  413: 'The body is larger than its limit.',
  415: 'The body has a media type that this route does not read.',
  422: 'Well-formed, but refused for what it says.',
  503: 'A part this needs is away: try again after `Retry-After` seconds.',
};

/** Documents the error answers of a route; 401 also marks it as one that takes the bearer token. */
export function ApiProblems(...statuses: number[]) {
  return applyDecorators(
    ApiExtraModels(Problem),
    ...(statuses.includes(401) ? [ApiBearerAuth()] : []),
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: MEANING[status],
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(Problem) } } },
      }),
    ),
  );
}
