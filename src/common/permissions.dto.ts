import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  Equals,
  IsArray,
  IsIn,
  IsObject,
  Matches,
  ValidateBy,
  ValidateNested,
} from 'class-validator';
import { isPublicHostName } from './public-host.js';
import { IsCapabilities, Optional } from './validators.js';

/** Methods of HTTP that an agent may use. */
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** A model by the name the operator gives it. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9._:/-]{0,63}$/;

const IsPublicHost = () =>
  ValidateBy({
    name: 'isPublicHost',
    validator: {
      validate: (value: unknown) => Array.isArray(value) && value.every(isPublicHostName),
      defaultMessage: () =>
        'each of hosts must be the full lower-case name of a public host, such as api.example.org: no address, no "*", no port',
    },
  });

const IsEmptyObject = () =>
  ValidateBy({
    name: 'isEmptyObject',
    validator: {
      validate: (value: unknown) => JSON.stringify(value) === '{}',
      defaultMessage: () => '$property must be {}',
    },
  });

/** Requests to hosts on the web. */
export class HttpPermissionDto {
  /**
   * Full names of hosts.
   * @example ["api.github.com"]
   */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(32)
  @ArrayUnique()
  @IsPublicHost()
  hosts: string[];

  /**
   * Methods; unset: GET.
   * @example ["GET"]
   */
  @Optional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(HTTP_METHODS, { each: true })
  methods?: HttpMethod[];
}

/** Calls of models. */
export class LlmPermissionDto {
  /**
   * Names of models as the operator offers them.
   * @example ["small"]
   */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(16)
  @ArrayUnique()
  @Matches(MODEL_NAME, { each: true, message: 'each of models must be the name of a model, such as small' })
  models: string[];
}

/** Sub-tasks for other agents. */
export class TasksPermissionDto {
  /**
   * Capabilities that sub-tasks may require.
   * @example ["summarise"]
   */
  @ArrayMinSize(1)
  @IsCapabilities()
  capabilities: string[];
}

/** What a version may ask of the host. What it does not name is refused. */
export class PermissionsDto {
  /** Requests to hosts on the web. */
  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => HttpPermissionDto)
  http?: HttpPermissionDto;

  /** Calls of models. */
  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => LlmPermissionDto)
  llm?: LlmPermissionDto;

  /** State of the agent's own, kept between tasks; write `{}`. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: false, example: {} })
  @Optional()
  @IsEmptyObject()
  kv?: Record<string, never>;

  /**
   * Questions to the submitter, who may answer while the task waits.
   * @example true
   */
  @Optional()
  @Equals(true, { message: 'ask must be true or be left out' })
  ask?: boolean;

  /** Sub-tasks for other agents. */
  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => TasksPermissionDto)
  tasks?: TasksPermissionDto;

  /**
   * Partial results and progress, shown to the submitter. Tasks need not allow it.
   * @example true
   */
  @Optional()
  @Equals(true, { message: 'output must be true or be left out' })
  output?: boolean;
}

export type Permissions = PermissionsDto;
