import { type ArgumentsHost, ForbiddenException, Logger, NotFoundException } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { AppError, type AppErrorKind, notFound } from './app-error.js';
import { diskFull } from './disk-full.js';
import { ProblemFilter, toProblem } from './problem.filter.js';

const SECRET = 'relation "tasks" at /srv/zerostate/src/secret.ts';

describe('a problem document', () => {
  it.each<[AppErrorKind, number, string]>([
    ['invalid', 400, 'Bad Request'],
    ['unauthorised', 401, 'Unauthorized'],
    ['forbidden', 403, 'Forbidden'],
    ['not_found', 404, 'Not Found'],
    ['too_slow', 408, 'Request Timeout'],
    ['conflict', 409, 'Conflict'],
    ['too_large', 413, 'Payload Too Large'],
    ['unsupported', 415, 'Unsupported Media Type'],
    ['out_of_range', 416, 'Range Not Satisfiable'],
    ['unprocessable', 422, 'Unprocessable Entity'],
    ['exhausted', 429, 'Too Many Requests'],
    ['too_many_headers', 431, 'Request Header Fields Too Large'],
    ['internal', 500, 'Internal Server Error'],
    ['unavailable', 503, 'Service Unavailable'],
  ])('answers an error of kind %s with status %i', (kind, status, title) => {
    expect(toProblem(new AppError(kind, 'SOME_CODE', 'What to do.'))).toEqual({
      type: 'urn:zerostate:problem:some-code',
      title,
      status,
      detail: 'What to do.',
      code: 'SOME_CODE',
      trace_id: expect.any(String),
    });
  });

  it('carries the offending fields and the details, but not the cause', () => {
    const error = new AppError('invalid', 'VALIDATION_FAILED', 'Mistakes.', {
      errors: [{ field: 'weights.price', message: 'must be a number' }],
      details: { limit: 5 },
      cause: new Error(SECRET),
    });
    const problem = toProblem(error);
    expect(problem).toMatchObject({ errors: [{ field: 'weights.price', message: 'must be a number' }], limit: 5 });
    expect(JSON.stringify(problem)).not.toContain(SECRET);
  });

  it('gives every request a trace id of its own', () => {
    const [one, other] = [toProblem(notFound('task')), toProblem(notFound('task'))];
    for (const { trace_id } of [one, other]) expect(trace_id).toMatch(/^[0-9a-f]{32}$/);
    expect(one.trace_id).not.toBe(other.trace_id);
  });

  it('says nothing of a fault of our own', () => {
    for (const fault of [new TypeError(SECRET), SECRET, { status: 404, message: SECRET }, null, undefined]) {
      const problem = toProblem(fault);
      expect(problem).toMatchObject({ status: 500, code: 'INTERNAL' });
      expect(JSON.stringify(problem)).not.toContain(SECRET);
    }
  });

  it('calls an outage by its name, and not a fault', () => {
    const away = Object.assign(new Error(SECRET), { code: 'ECONNREFUSED' });
    const deadlock = Object.assign(new Error(SECRET), { code: '40P01' });
    expect(toProblem(away)).toMatchObject({ status: 503, code: 'DATABASE_AWAY' });
    expect(toProblem(deadlock)).toMatchObject({ status: 503, code: 'DATABASE_CONTENTION' });
    expect(JSON.stringify([toProblem(away), toProblem(deadlock)])).not.toContain(SECRET);
  });

  it.each(['ENOSPC', 'EDQUOT', '53100'])('calls a full disk (%s) as the reserve of free space does', (code) => {
    const full = Object.assign(new Error(SECRET), { code });
    expect(toProblem(full)).toEqual({ ...toProblem(diskFull()), trace_id: expect.any(String) });
    expect(toProblem(full)).toMatchObject({ status: 507, code: 'DISK_FULL' });
  });

  it('translates errors of the framework and its file server', () => {
    const files = (status: number, expose: boolean) => Object.assign(new Error(SECRET), { status, expose });
    expect(toProblem(new NotFoundException())).toMatchObject({ status: 404, code: 'NO_SUCH_ROUTE' });
    expect(toProblem(new ForbiddenException())).toMatchObject({ status: 403, code: 'FORBIDDEN' });
    expect(toProblem(files(416, true))).toMatchObject({ status: 416, code: 'RANGE_NOT_SATISFIABLE' });
    expect(toProblem(files(418, true))).toMatchObject({ status: 418, code: 'REQUEST_REFUSED' });
    expect(toProblem(files(413, false))).toMatchObject({ status: 500, code: 'INTERNAL' });
  });
});

describe('the problem filter', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('answers as application/problem+json and tells the client when to come again', () => {
    const answer = respond(new AppError('unavailable', 'AWAY', 'Later.'));
    expect(answer.sent).toMatchObject({ status: 503, code: 'AWAY' });
    expect(answer).toMatchObject({ status: 503, type: 'application/problem+json', headers: { 'Retry-After': '5' } });
    expect(respond(Object.assign(new Error(), { code: 'ENOSPC' })).headers).toEqual({ 'Retry-After': '30' });
    const { headers } = respond(new AppError('exhausted', 'TOO_MANY', 'Fewer.'));
    expect(headers).toEqual({ 'Retry-After': '5' });
    expect(respond(new AppError('unauthorised', 'TOKEN_EXPIRED', 'Log in.')).headers).toEqual({
      'WWW-Authenticate': 'Bearer',
    });
  });

  it('says that credentials were refused, and what a door adds', () => {
    const sent = { headers: { 'x-api-key': 'zs_wrong' }, locals: { challenge: 'resource_metadata="https://m.test"' } };
    expect(respond(new AppError('unauthorised', 'API_KEY_INVALID', 'Wrong.'), sent).headers).toEqual({
      'WWW-Authenticate': 'Bearer error="invalid_token", resource_metadata="https://m.test"',
    });
  });

  it('logs a fault with its stack under the trace id the client got, and an error of the client’s not at all', () => {
    const log = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    respond(notFound('task'));
    expect(log).not.toHaveBeenCalled();
    const { sent } = respond(new TypeError(SECRET));
    expect(log.mock.calls.flat().join()).toContain(SECRET);
    expect(log.mock.calls.flat().join()).toContain(sent?.trace_id);
  });

  it('logs an outage in one line without a stack', () => {
    const [faults, warnings] = (['error', 'warn'] as const).map((level) =>
      jest.spyOn(Logger.prototype, level).mockReturnValue(undefined),
    );
    respond(Object.assign(new Error(''), { code: 'ECONNREFUSED' }));
    expect(faults).not.toHaveBeenCalled();
    expect(warnings.mock.calls.flat()).toEqual([expect.stringMatching(/^GET \/ failed, trace_id \w+: ECONNREFUSED$/)]);
  });

  it('cuts the connection when half an answer is out already', () => {
    expect(respond(notFound('task'), { headersSent: true })).toMatchObject({ destroyed: true, sent: null });
  });
});

interface Answer {
  status: number;
  type: string;
  headers: Record<string, string>;
  sent: { trace_id: string } | null;
  destroyed: boolean;
}

/** Hands the error to the filter with just as much of Express as it uses. */
function respond(error: unknown, { headersSent = false, headers = {}, locals = {} } = {}): Answer {
  if (!jest.isMockFunction(Logger.prototype.error)) jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
  const answer: Answer = { status: 0, type: '', headers: {}, sent: null, destroyed: false };
  const response = {
    locals,
    headersSent,
    destroy: () => void (answer.destroyed = true),
    setHeader: (name: string, value: string) => void (answer.headers[name] = value),
    status: (status: number) => ((answer.status = status), response),
    type: (type: string) => ((answer.type = type), response),
    send: (text: string) => void (answer.sent = JSON.parse(text) as Answer['sent']),
  };
  const request = { method: 'GET', path: '/', headers, accepts: () => 'application/json' };
  const http = { getRequest: () => request, getResponse: () => response };
  new ProblemFilter().catch(error, { switchToHttp: () => http } as unknown as ArgumentsHost);
  return answer;
}
