import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { AnswerQuestionDto, TaskDto } from './task.dto.js';
import { TaskInput } from './task-input.service.js';

@ApiTags('tasks')
@Controller('tasks/:id/input')
export class TaskInputController {
  constructor(private readonly input: TaskInput) {}

  /**
   * Answers the question of an agent, on a task that is `input_required`.
   * @remarks Only the submitter may answer, once; the same answer again changes nothing. The task is `running` again when
   * its agent has a place to run.
   * @param id UUID of the task
   */
  @Access('tasks:write')
  @Post()
  @HttpCode(200)
  @ApiOperation({ operationId: 'answerQuestion' })
  @NeedsRoom()
  @ApiOkResponse({ type: TaskDto, description: 'The task as it stands.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, {
    meaning:
      'The question has another answer (`ALREADY_ANSWERED`), or its agent no longer waits for one (`QUESTION_CLOSED`).',
    code: 'ALREADY_ANSWERED',
    detail: 'The question has another answer already, which cannot be changed.',
  })
  answer(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() dto: AnswerQuestionDto): Promise<TaskDto> {
    return this.input.answer(caller, id, dto);
  }
}
