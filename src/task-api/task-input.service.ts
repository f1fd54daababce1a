import { Injectable } from '@nestjs/common';
import type { Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { isId } from '../common/ids.js';
import { MAX_INPUT_DEPTH } from '../common/json-scanner.js';
import { jsonDepth } from '../common/json-text.js';
import { HostCallConfig } from '../config/index.js';
import { Schema, stepsFor } from '../contracts/index.js';
import { TaskQuestions } from '../tasks/index.js';
import type { AnswerQuestionDto, TaskDto } from './task.dto.js';
import { TaskService } from './task.service.js';

/** Answers of submitters to the questions of agents. */
@Injectable()
export class TaskInput {
  private readonly maxBytes: number;

  constructor(
    private readonly tasks: TaskService,
    private readonly questions: TaskQuestions,
    config: HostCallConfig,
  ) {
    this.maxBytes = config.questions.maxAnswerBytes;
  }

  /**
   * Answers a question. The same answer again changes nothing.
   * @returns the task as it then stands
   * @throws AppError `not_found` for a task or a question that is not there, `forbidden` `NOT_SUBMITTER`, `too_large`
   *   `ANSWER_TOO_LARGE`, `invalid` when the answer does not fit the schema, `conflict` `ALREADY_ANSWERED` or `QUESTION_CLOSED`
   */
  async answer(caller: Caller, taskId: string, { question_id, answer }: AnswerQuestionDto): Promise<TaskDto> {
    if (answer === undefined) throw malformed([{ field: 'answer', message: 'answer is required' }]);
    await this.tasks.assertSubmitter(caller, taskId);
    const { text } = answer;
    const bytes = Buffer.byteLength(text);
    if (bytes > this.maxBytes) {
      throw new AppError(
        'too_large',
        'ANSWER_TOO_LARGE',
        `The answer has ${bytes} bytes; the limit is ${this.maxBytes}.`,
      );
    }
    if (jsonDepth(text) > MAX_INPUT_DEPTH) {
      throw malformed([{ field: 'answer', message: `must not nest deeper than ${MAX_INPUT_DEPTH} levels` }]);
    }
    const question = await this.questionOf(taskId, question_id);
    if (question.answer === null) {
      assertFits(question.schema, answer.parse(), bytes);
      if (!(await this.questions.answer(taskId, question_id, text))) await this.assertSame(taskId, question_id, text);
    } else if (question.answer !== text) throw alreadyAnswered();
    return this.tasks.present(caller, taskId);
  }

  private async questionOf(taskId: string, id: string) {
    const question = isId(taskId) ? await this.questions.find(taskId, id) : null;
    if (!question) throw notFound('question');
    return question;
  }

  /** The question was not open any more. @throws AppError unless somebody gave the same answer meanwhile */
  private async assertSame(taskId: string, id: string, text: string): Promise<void> {
    const { answer } = await this.questionOf(taskId, id);
    if (answer === text) return;
    if (answer !== null) throw alreadyAnswered();
    const detail = 'The agent no longer waits for this answer: the time is over, or the attempt or the task has ended.';
    throw new AppError('conflict', 'QUESTION_CLOSED', detail);
  }
}

const alreadyAnswered = (): AppError =>
  new AppError('conflict', 'ALREADY_ANSWERED', 'The question has another answer already, which cannot be changed.');

/** @throws AppError `invalid` that says where the answer does not fit */
function assertFits(schema: object | null, answer: unknown, bytes: number): void {
  const verdict = schema && Schema.read(schema).check(answer, stepsFor(bytes));
  if (!verdict || verdict.end === 'fits') return;
  if (verdict.end === 'too_costly') {
    throw malformed([{ field: 'answer', message: 'answer takes too long to compare with the schema of the question' }]);
  }
  throw malformed([{ field: `answer${verdict.at}`, message: `${verdict.at ? 'it' : 'answer'} ${verdict.reason}` }]);
}
