import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';

/** Details in the OpenAPI document that TypeScript types cannot express. */

export const ApiInteger = (options: ApiPropertyOptions = {}): PropertyDecorator =>
  ApiProperty({ type: 'integer', ...options } as ApiPropertyOptions);

/** The task, its agent and their user in all examples. */
export const EXAMPLE_IDS = {
  task: '01993c5e-7d2f-7b11-9a0c-4e5f60718293',
  agent: '01993c5e-0b1d-7a52-8c3e-2f4a6b8c0d1e',
  user: '01993c5d-9c4e-7d21-8b5f-3a1c2e4d6f70',
  other: '01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f',
};

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
      // In OpenAPI 3.0 only members with a type may be null.
      { type: 'object', additionalProperties: true, ...(nullable && { nullable }) },
      { type: 'array', items: {} },
      { type: 'string' },
      { type: 'number' },
      { type: 'boolean' },
    ],
    ...options,
  } as ApiPropertyOptions);

/** A JSON Schema as a tenant declared it. */
export const JSON_SCHEMA: ApiPropertyOptions = {
  type: 'object',
  additionalProperties: true,
  nullable: true,
  example: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
};
