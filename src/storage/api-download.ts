import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiProduces, ApiResponse } from '@nestjs/swagger';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';

/** Documents a route that answers by `answerBlob`. */
export function ApiDownload(mediaType: string) {
  const content = { [mediaType]: { schema: { type: 'string' as const, format: 'binary' } } };
  const headers = { ETag: { schema: { type: 'string' as const } } };
  const header = (name: string, description: string) =>
    ApiHeader({ name, description, required: false, schema: { type: 'string' } });
  return applyDecorators(
    ApiProduces(mediaType),
    header('If-None-Match', 'An `ETag`: the same bytes answer 304.'),
    header('Range', 'With `redirect=false`, such as `bytes=0-1023`.'),
    header('If-Range', 'An `ETag`: of other bytes come all.'),
    ApiOkResponse({ description: 'The bytes; `ETag` is their SHA-256.', headers, content }),
    ApiResponse({ status: 206, description: 'The range of the bytes that was asked for.', headers, content }),
    ApiResponse({
      status: 302,
      description: 'They are at `Location`.',
      headers: { ...headers, Location: { schema: { type: 'string' } } },
    }),
    ApiResponse({ status: 304, description: 'You have them: `If-None-Match` names their `ETag`.' }),
    ApiProblems(400, 401, 403, 404),
    ApiProblem(416, {
      meaning: 'The range begins past the end.',
      code: 'RANGE_NOT_SATISFIABLE',
      detail: 'There are 20480 bytes: ask for a range within them.',
    }),
  );
}
