import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';

/** What the OpenAPI document says of a member where its TypeScript type says too little. */

export const ApiInteger = (options: ApiPropertyOptions = {}): PropertyDecorator =>
  ApiProperty({ type: 'integer', ...options } as ApiPropertyOptions);

/** UUIDv7. */
export const ApiId = (options: ApiPropertyOptions = {}): PropertyDecorator =>
  ApiProperty({ type: 'string', format: 'uuid', ...options } as ApiPropertyOptions);

/** RFC 3339, UTC. */
export const ApiTime = (options: ApiPropertyOptions = {}): PropertyDecorator =>
  ApiProperty({ type: 'string', format: 'date-time', ...options } as ApiPropertyOptions);

/** Any JSON value. */
export const ApiJson = ({ nullable, ...options }: ApiPropertyOptions = {}): PropertyDecorator =>
  ApiProperty({
    oneOf: [
      // In OpenAPI 3.0 only what has a type may be null.
      { type: 'object', additionalProperties: true, ...(nullable && { nullable }) },
      { type: 'array', items: {} },
      { type: 'string' },
      { type: 'number' },
      { type: 'boolean' },
    ],
    ...options,
  } as ApiPropertyOptions);
