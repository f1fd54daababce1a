export { TaskApiModule } from './task-api.module.js';
export { IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_RULE, MAX_WAIT_S } from './submission-headers.js';
export { AnswerQuestionDto, QuestionDto, SubmitTaskDto, TaskDto, TaskErrorDto } from './task.dto.js';
export { SUBMISSION_EXAMPLES } from './task.examples.js';
export { TaskInput } from './task-input.service.js';
export { assertInTime, toNewTask } from './to-new-task.js';
export { TaskService } from './task.service.js';
export { TaskSubmitter } from './task-submitter.js';
