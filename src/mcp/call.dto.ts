import { IsInt, IsUUID, Matches, Max, Min } from 'class-validator';
import { Optional } from '../common/validators.js';
import {
  AnswerQuestionDto,
  IDEMPOTENCY_KEY,
  IDEMPOTENCY_KEY_RULE,
  MAX_WAIT_S,
  SubmitTaskDto,
} from '../task-api/index.js';

// Arguments of the built-in tools. `market-schemas.ts` has the same rules as JSON Schema, for clients.

export class SubmitCallDto extends SubmitTaskDto {
  @Optional()
  @IsInt()
  @Min(0)
  @Max(MAX_WAIT_S)
  wait_seconds?: number;

  @Optional()
  @Matches(IDEMPOTENCY_KEY, { message: `idempotency_key ${IDEMPOTENCY_KEY_RULE}` })
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
