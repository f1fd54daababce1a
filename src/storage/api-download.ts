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
      description: 'The bytes are at `Location`.',
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
    header('Range', 'Answers part of the bytes, such as `bytes=0-1023`.'),
    header('If-Range', 'An `ETag`: if it no longer matches, all bytes are sent.'),
    ApiOkResponse({ description, headers: ETAG, content }),
    ApiResponse({ status: 206, description: 'The requested range of the bytes.', headers: ETAG, content }),
    ApiResponse({ status: 304, description: 'The client has the bytes: `If-None-Match` names their `ETag`.' }),
    ApiProblems(400, 404),
    ApiProblem(416, {
      meaning: 'The range starts after the end.',
      code: 'RANGE_NOT_SATISFIABLE',
      detail: 'The file has 20480 bytes: request a range within them.',
    }),
  );
}
