import type { components, paths } from './schema.js';

/** Bodies and answers by the names of the OpenAPI document, such as `Schemas['TaskDto']`. */
export type Schemas = components['schemas'];

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Routes below `/api/v1`, without that prefix. */
type Routes = { [P in keyof paths as P extends `/api/v1${infer Rest}` ? Rest : never]: paths[P] };

/** Paths that have a method, such as `/tasks/{id}` for `GET`. */
export type PathOf<M extends Method> = {
  [P in keyof Routes]: Routes[P] extends Record<Lowercase<M>, object> ? P : never;
}[keyof Routes] &
  string;

type Operation<M extends Method, P extends PathOf<M>> = Routes[P] extends Record<Lowercase<M>, infer O> ? O : never;
type Parameters<O, Place extends string> = O extends { parameters: infer All }
  ? Place extends keyof All
    ? All[Place]
    : undefined
  : undefined;
/** Optional where nothing of it is required. */
type Part<Name extends string, T> = [T] extends [undefined]
  ? { [K in Name]?: never }
  : undefined extends T
    ? { [K in Name]?: T }
    : { [K in Name]: T };
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } }
  ? B
  : O extends { requestBody?: { content: { 'application/json': infer B } } }
    ? B | undefined
    : undefined;

/** What a request of a route takes. */
export type RequestOf<M extends Method, P extends PathOf<M>> = Part<'path', Parameters<Operation<M, P>, 'path'>> &
  Part<'query', Parameters<Operation<M, P>, 'query'>> &
  Part<'body', Body<Operation<M, P>>> &
  RequestOptions;

export interface RequestOptions {
  /** Aborts the request and its retries. */
  signal?: AbortSignal;
  /** Makes a `POST` that knows `Idempotency-Key` safe to repeat, so that it is retried. 1 to 255 characters. */
  idempotencyKey?: string;
}

type JsonOf<R> = R extends { content: { 'application/json': infer T } } ? T : never;
type Successes<O> = O extends { responses: infer R } ? JsonOf<R[keyof R & (200 | 201 | 202)]> : never;
/** The JSON that a route answers with; undefined where it answers without a body. */
export type AnswerOf<M extends Method, P extends PathOf<M>> = [Successes<Operation<M, P>>] extends [never]
  ? undefined
  : Successes<Operation<M, P>>;
