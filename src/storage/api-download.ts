import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiProduces, ApiResponse } from '@nestjs/swagger';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';

const ETAG = { ETag: { schema: { type: 'string' as const } } };

/** Documents a route that answers by `answerBlob`. */
export const ApiDownload = (mediaType: string) =>
  applyDecorators(
    ApiStoredBytes('The bytes; `ETag` is their SHA-256.', mediaType),
    ApiResponse({
      status: 302,
      description: 'They are at `Location`.',
      headers: { ...ETAG, Location: { schema: { type: 'string' } } },
    }),
    ApiProblems(401, 403),
  );

/** Documents a route that answers by `serveBlob`. */
export function ApiStoredBytes(description: string, ...mediaTypes: string[]) {
  const bytes = { schema: { type: 'string' as const, format: 'binary' } };
  const content = Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, bytes]));
  const header = (name: string, meaning: string) =>
    ApiHeader({ name, description: meaning, required: false, schema: { type: 'string' } });
  return applyDecorators(
    ApiProduces(...mediaTypes),
    header('If-None-Match', 'An `ETag`: the same bytes answer 304.'),
    header('Range', 'Only these of the bytes themselves, such as `bytes=0-1023`.'),
    header('If-Range', 'An `ETag`: of other bytes come all.'),
    ApiOkResponse({ description, headers: ETAG, content }),
    ApiResponse({ status: 206, description: 'The range of the bytes that was asked for.', headers: ETAG, content }),
    ApiResponse({ status: 304, description: 'You have them: `If-None-Match` names their `ETag`.' }),
    ApiProblems(400, 404),
    ApiProblem(416, {
      meaning: 'The range begins past the end.',
      code: 'RANGE_NOT_SATISFIABLE',
      detail: 'There are 20480 bytes: ask for a range within them.',
    }),
  );
}
