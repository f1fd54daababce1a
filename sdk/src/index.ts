export type { AnswerOf, Method, PathOf, RequestOf, RequestOptions, Schemas } from './api-types.js';
export { ZeroState } from './client.js';
export type { Credentials, Tokens, TokenStore } from './credentials.js';
export { ApiError, ConnectionError, hasCode, TaskError, ZeroStateError } from './errors.js';
export type { FeedEvent, FollowOptions } from './events.js';
export type { CompletedTask, NewTask, Question, RunOptions, SubmitOptions, Task, WaitOptions } from './tasks.js';
export type { ClientOptions } from './transport.js';
export type { UploadOptions, VersionForm } from './upload.js';
