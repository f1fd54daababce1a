import { IsInt, IsUUID, Matches, Max, Min } from 'class-validator';
import { Optional } from '../common/validators.js';
import { AnswerQuestionDto, MAX_WAIT_S, SubmitTaskDto } from '../task-api/index.js';

// Arguments of the built-in tools. `market-schemas.ts` has the same rules as JSON Schema, for clients.

export class SubmitCallDto extends SubmitTaskDto {
  @Optional()
  @IsInt()
  @Min(0)
  @Max(MAX_WAIT_S)
  wait_seconds?: number;

  @Optional()
  @Matches(/^[\x21-\x7e]{1,255}$/, { message: 'idempotency_key must be 1 to 255 visible ASCII characters' })
  idempotency_key?: string;
}

export class TaskCallDto {
  @IsUUID()
  id: string;
}

export class AnswerCallDto extends AnswerQuestionDto {
  @IsUUID()
  id: string;
}
