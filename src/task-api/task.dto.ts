import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsString,
  IsUUID,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { ApiId, ApiInteger, ApiJson, ApiTime, JSON_SCHEMA } from '../common/api-schema.js';
import { Document, DocumentList } from '../common/dto.pipe.js';
import { type Page, PageQuery } from '../common/pagination.js';
import type { RawJson } from '../common/raw-json.js';
import { RunLimitsDto } from '../common/run-limits.dto.js';
import { IsAmount, IsCapabilities, IsPlainText, IsRegion, IsTime, MaxLength, Optional } from '../common/validators.js';
import { TASK_PRIORITIES, type TaskPriority } from '../queue/index.js';
import { TASK_STATUSES, type TaskStatus } from '../tasks/index.js';

// The documents of `/tasks`. The file is long because each member has its description, limits and an example.

/** How the result of a task is answered. */
const RESULT_FORMS = ['value', 'ref'] as const;
/** Names that need no escaping in addresses and logs. */
const CONTEXT_ID = /^[A-Za-z0-9._:-]{1,64}$/;
const CONTEXT_ID_RULE = 'context_id must be 1 to 64 letters, digits, or . _ : -';
const DOCUMENT_REF = '93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476';

/** What this task values in its auction: relative weights, of which at least one is above 0. */
export class WeightsDto {
  @ApiPropertyOptional({ example: 1 })
  @IsNumber()
  @Min(0)
  @Max(1000)
  price: number = 0;

  @ApiPropertyOptional({ example: 2 })
  @IsNumber()
  @Min(0)
  @Max(1000)
  quality: number = 0;

  @ApiPropertyOptional({ example: 0 })
  @IsNumber()
  @Min(0)
  @Max(1000)
  speed: number = 0;

  @ApiPropertyOptional({ example: 1 })
  @IsNumber()
  @Min(0)
  @Max(1000)
  reputation: number = 0;
}

/** Less than the server and the version of the agent allow one run; what is left out counts as theirs. */
export class TaskLimitsDto extends RunLimitsDto {}

/** What a submitter lets agents do. `http`, `llm`, `kv` and `tasks` can carry the task's input to the agent's owner. */
export class AllowDto {
  /**
   * Requests to the hosts that the version names.
   * @example true
   */
  @Optional()
  @IsBoolean()
  http?: boolean;

  /**
   * Calls of the models that the version names.
   * @example false
   */
  @Optional()
  @IsBoolean()
  llm?: boolean;

  /**
   * State that the agent keeps between tasks, and that its owner can read.
   * @example false
   */
  @Optional()
  @IsBoolean()
  kv?: boolean;

  /**
   * Questions to you: the task waits as `input_required` until you answer.
   * @example false
   */
  @Optional()
  @IsBoolean()
  ask?: boolean;

  /**
   * Sub-tasks for other agents, paid out of `max_host_cost`. Their owners may read what your agent passes on.
   * @example false
   */
  @Optional()
  @IsBoolean()
  tasks?: boolean;
}

export class SubmitTaskDto {
  /**
   * Capabilities the agent should offer. Agents with only some of them may bid, and score accordingly; with none
   * required, every agent may.
   * @example ["summarise"]
   */
  @IsCapabilities()
  required_capabilities: string[];

  /** The most you pay, in credits. */
  @IsAmount(1.5)
  budget: number;

  /**
   * Any JSON value but null; the agent reads it byte for byte from its standard input, and answers show it so. Required, unless
   * `input_ref` is there.
   */
  @ApiJson({
    required: false,
    example: { text: 'ZeroState is a market of agents. Agents are WebAssembly. They bid for tasks.' },
  })
  @Allow()
  @Document()
  // A class here would become a schema of the API.
  input?: Pick<RawJson, keyof RawJson>;

  /** Instead of `input`: one you have brought to `POST /tasks/inputs`, or the `result_ref` of an earlier task. */
  @ApiProperty({ type: 'string', required: false, pattern: '^[0-9a-f]{64}$', example: DOCUMENT_REF })
  @Optional()
  @Matches(/^[0-9a-f]{64}$/, { message: 'input_ref must be 64 lower-case hex digits' })
  input_ref?: string;

  /**
   * `ref`: the result becomes a document of its own, of up to 50 MiB where the server says nothing else; the task names it as
   * `result_ref`. `value`: it is part of the task, and has at most 5 MiB.
   */
  @ApiPropertyOptional({ enum: RESULT_FORMS, default: 'value' })
  @Optional()
  @IsIn(RESULT_FORMS)
  result_as?: (typeof RESULT_FORMS)[number];

  /**
   * For people.
   * @example "Summary for the front page"
   */
  @Optional()
  @IsString()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  @ApiPropertyOptional({ enum: TASK_PRIORITIES, default: 'normal' })
  @Optional()
  @IsIn(TASK_PRIORITIES)
  priority?: TaskPriority;

  /**
   * Where it would rather be done: agents elsewhere count as slower by the way there and back. Only on servers that route
   * by region.
   * @example "eu-central"
   */
  @Optional()
  @IsRegion()
  region?: string;

  /**
   * Nowhere but in `region`.
   * @example false
   */
  @Optional()
  @IsBoolean()
  region_required?: boolean;

  /**
   * Wall time of one attempt, ms; the server has a default and a maximum.
   * @example 5000
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(1)
  timeout_ms?: number;

  /** By when the task must have ended, waiting and every attempt included; past it, it fails with `DEADLINE_EXCEEDED`. */
  @ApiTime({ required: false, example: '2099-01-01T00:00:00Z' })
  @Optional()
  @IsTime()
  deadline?: string;

  /** Do not start before this. A time that has passed means at once. */
  @ApiTime({ required: false, example: '2026-01-01T00:00:00Z' })
  @Optional()
  @IsTime()
  run_at?: string;

  /**
   * Do not start for so long, ms. Give this or `run_at`, not both.
   * @example 1000
   */
  @ApiInteger({ required: false })
  @Optional()
  @IsInt()
  @Min(0)
  delay_ms?: number;

  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => WeightsDto)
  weights?: WeightsDto;

  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => TaskLimitsDto)
  limits?: TaskLimitsDto;

  /**
   * Whether the owner of each agent at work may read its log and the text of its errors. Both may quote your input.
   * @example false
   */
  @ApiPropertyOptional({ default: false })
  @Optional()
  @IsBoolean()
  share_logs?: boolean;

  /** What agents may do for this task beside computing. Agents that need more do not bid. Default: nothing. */
  @Optional()
  @IsObject()
  @ValidateNested()
  @Type(() => AllowDto)
  allow?: AllowDto;

  /**
   * Groups tasks of one conversation; `GET /tasks?context_id=` lists them. Yours alone: choose any name.
   * @example "thread-17"
   */
  @Optional()
  @Matches(CONTEXT_ID, { message: CONTEXT_ID_RULE })
  context_id?: string;

  /** Only this agent may bid, at its price. If it is not on the market or cannot take the task, the task fails. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  only_agent_id?: string;

  /** The most that the host calls of its agents may cost, on top of the budget. Default: 0. */
  @Optional()
  @IsAmount(0.1)
  max_host_cost?: number | string;
}

/** The most tasks of one batch. */
const MAX_BATCH = 1000;

export class SubmitBatchDto {
  /** Each as for a single submission. All are stored, or none. */
  @ApiProperty({
    type: [SubmitTaskDto],
    minItems: 1,
    maxItems: MAX_BATCH,
    example: [{ required_capabilities: ['summarise'], budget: 1.5, input: { text: 'One of many.' } }],
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_BATCH)
  // Checked one by one: each has a document of its own.
  @DocumentList()
  tasks: Pick<RawJson, keyof RawJson>[];
}

export class ListTasksQuery extends PageQuery {
  /** Only tasks in this state. */
  @ApiPropertyOptional({ enum: TASK_STATUSES })
  @Optional()
  @IsIn(TASK_STATUSES)
  status?: TaskStatus;

  /** Only tasks of this conversation. */
  @Optional()
  @Matches(CONTEXT_ID, { message: CONTEXT_ID_RULE })
  context_id?: string;

  /** Only sub-tasks of this task. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  parent_id?: string;

  /** Only for admins: the tasks of this account instead of your own. */
  @ApiId({ required: false })
  @Optional()
  @IsUUID()
  user_id?: string;
}

export class AnswerQuestionDto {
  /** `question.id` of the task. */
  @ApiId()
  @IsUUID()
  question_id: string;

  /** Any JSON value that fits the schema of the question, of at most 64 KiB where the server says nothing else. */
  @ApiJson({ nullable: true, example: 'the second one' })
  @Allow()
  @Document()
  // A class here would become a schema of the API.
  answer: Pick<RawJson, keyof RawJson>;
}

export class RateTaskDto {
  /**
   * 1 (useless) to 5 (perfect).
   * @example 5
   */
  @ApiInteger()
  @IsInt()
  @Min(1)
  @Max(5)
  rating: number;
}

export class TaskErrorDto {
  /**
   * Stable, SCREAMING_SNAKE.
   * @example "AGENT_TRAPPED"
   */
  code: string;
  /** @example "The agent ran into an unreachable instruction." */
  message: string;
}

export class MeteringDto {
  /**
   * From handing over to the end.
   * @example 1.38
   */
  wall_ms: number;
  /**
   * Processor time.
   * @example 1.21
   */
  cpu_ms: number;
  /** @example 1114112 */
  @ApiInteger()
  peak_memory_bytes: number;
  /**
   * Standard input.
   * @example 87
   */
  @ApiInteger()
  bytes_in: number;
  /**
   * Standard output.
   * @example 52
   */
  @ApiInteger()
  bytes_out: number;
  /**
   * Calls of functions of the host.
   * @example 3
   */
  @ApiInteger()
  host_calls: number;
}

/** One run of one agent for the task. */
export class AttemptDto {
  /**
   * 1 for the first.
   * @example 1
   */
  @ApiInteger()
  ordinal: number;
  @ApiId()
  agent_id: string;
  /** @example "1.0.0" */
  version: string;
  /**
   * What the agent is paid if this attempt completes the task, credits.
   * @example 0.5
   */
  price: number;
  /**
   * How it ended; null while it goes on.
   * @example "completed"
   */
  outcome: string | null;
  error: TaskErrorDto | null;
  /** What it took; null while it goes on, and when nobody could measure it: it never ran, or its worker was lost. */
  metering: MeteringDto | null;
  @ApiTime()
  started_at: string;
  @ApiTime()
  ended_at: string | null;
}

/** A task without its documents, as lists show it. */
export class TaskSummaryDto {
  @ApiId()
  id: string;
  /** The task whose agent submitted this one; null: you did. */
  @ApiId()
  parent_id: string | null;
  @ApiProperty({ enum: TASK_STATUSES })
  status: TaskStatus;
  /** The failed task that this one repeats; null: none. It may have been deleted since. */
  @ApiId()
  retry_of: string | null;
  /**
   * As submitted: groups tasks of one conversation.
   * @example "thread-17"
   */
  context_id: string | null;
  /** @example ["summarise"] */
  required_capabilities: string[];
  /**
   * Credits.
   * @example 1.5
   */
  budget: number;
  @ApiProperty({ enum: TASK_PRIORITIES })
  priority: TaskPriority;
  /** @example "Summary for the front page" */
  description: string | null;
  /**
   * Wall time of one attempt.
   * @example 30000
   */
  @ApiInteger()
  timeout_ms: number;
  /** The agent at work, or that did it; null until the award. */
  @ApiId()
  agent_id: string | null;
  /**
   * Its version.
   * @example "1.0.0"
   */
  version: string | null;
  error: TaskErrorDto | null;
  /**
   * What the task cost, credits; null unless completed.
   * @example 0.5
   */
  cost: number | null;
  /**
   * Your verdict, 1–5.
   * @example 5
   */
  @ApiInteger()
  rating: number | null;
  /** Not before; null: at once. */
  @ApiTime()
  run_at: string | null;
  /** By when it must have ended; null: whenever. */
  @ApiTime()
  deadline: string | null;
  @ApiTime()
  created_at: string;
  @ApiTime()
  started_at: string | null;
  @ApiTime()
  completed_at: string | null;
}

/** A question of the agent at work to the submitter. */
export class QuestionDto {
  @ApiId()
  id: string;
  /** @example "Which of the two companies do you mean?" */
  question: string;
  /** JSON Schema that the answer must fit; null: any JSON does. */
  @ApiProperty({ ...JSON_SCHEMA, example: { enum: ['the first one', 'the second one'] } })
  schema: object | null;
  /** When it was first asked. */
  @ApiTime()
  asked_at: string;
  /** By when it must be answered; the agent then goes on without an answer. */
  @ApiTime()
  expires_at: string;
}

export class TaskDto extends TaskSummaryDto {
  /** What the agent asks you while the task is `input_required`; null: nothing, or it is answered. */
  question: QuestionDto | null;
  /**
   * As submitted, byte for byte; null where `input_ref` names it.
   * @example { "text": "ZeroState is a market of agents. Agents are WebAssembly. They bid for tasks." }
   */
  @ApiJson({ nullable: true })
  input: unknown;
  /** SHA-256 of an input that is a document of its own: `GET /tasks/:id/input` has it. */
  input_ref: string | null;
  /** Its size, bytes. */
  @ApiInteger()
  input_size: number | null;
  /** As submitted: the only agent that may bid; null: any. */
  @ApiId()
  only_agent_id: string | null;
  /** As submitted. */
  @ApiProperty({ enum: RESULT_FORMS })
  result_as: (typeof RESULT_FORMS)[number];
  /** As submitted; null when the server's apply. */
  limits: TaskLimitsDto | null;
  /**
   * Where it would rather be done; null: anywhere.
   * @example "eu-central"
   */
  region: string | null;
  /**
   * Nowhere else.
   * @example false
   */
  region_required: boolean;
  /**
   * As submitted: whether owners of the agents at work may read their logs and the text of their errors.
   * @example false
   */
  share_logs: boolean;
  /** As submitted: what its agents may do beside computing. */
  allow: AllowDto;
  /**
   * As submitted: the most its host calls may cost.
   * @example 0.1
   */
  max_host_cost: number;
  /**
   * What its host calls have cost or reserved so far. It is charged whatever the end of the task.
   * @example 0.002
   */
  host_cost: number;
  attempts: AttemptDto[];
  /**
   * The answer of the agent, byte for byte; null unless completed, and where `result_ref` names it.
   * @example { "summary": "ZeroState is a market of agents." }
   */
  @ApiJson({ nullable: true })
  result: unknown;
  /** SHA-256 of a result that is a document of its own: `GET /tasks/:id/result` has it. */
  result_ref: string | null;
  /** Its size, bytes. */
  @ApiInteger()
  result_size: number | null;
}

/** A document that has been brought. */
export class BroughtInputDto {
  /**
   * SHA-256 of the bytes, lower-case hex: for `input_ref`.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  input_ref: string;
  /**
   * Bytes.
   * @example 20480
   */
  @ApiInteger()
  size: number;
  /** Until when tasks can name it. It is kept as long as one of them is. */
  @ApiTime()
  expires_at: string;
}

export class TaskBatchDto {
  /** In the order of the submission, without inputs and results. */
  items: TaskSummaryDto[];
}

export class TaskResultDto {
  @ApiId()
  id: string;
  @ApiProperty({ enum: TASK_STATUSES })
  status: TaskStatus;
  /**
   * The answer of the agent, byte for byte; null unless completed.
   * @example { "summary": "ZeroState is a market of agents." }
   */
  @ApiJson({ nullable: true })
  result: unknown;
  error: TaskErrorDto | null;
  /**
   * Credits; null unless completed.
   * @example 0.5
   */
  cost: number | null;
}

export class TaskPage implements Page<TaskSummaryDto> {
  items: TaskSummaryDto[];
  /** `cursor` of the next page; null on the last. */
  @ApiId()
  next_cursor: string | null;
}
