import { describe, expect, it } from '@jest/globals';
import express, { type Request } from 'express';
import { bodyReader, isUpload } from './body-routes.js';

const FORM = 'multipart/form-data; boundary=x';
const WASM = 'application/wasm';
const JSON_TYPE = 'application/json; charset=utf-8';

const request = (method: string, url: string, type?: string, length = '10'): Request =>
  Object.assign(Object.create(express.request) as Request, {
    method,
    url,
    headers: { 'content-length': length, ...(type && { 'content-type': type }) },
  });

describe('the reader of a body', () => {
  it.each([
    ['POST', '/api/v1/agents/my-agent/binary', FORM, 'route'],
    ['PUT', '/api/v1/Agents/my-agent/Binary/?x=1', FORM, 'route'],
    ['PUT', '/api/v1/deposits/17/binary?expires=1', WASM, 'route'],
    ['POST', '/api/v1/tasks/inputs', JSON_TYPE, 'route'],
    // Refused by the route, without being read.
    ['POST', '/api/v1/agents/my-agent/binary', JSON_TYPE, 'route'],
    ['PUT', '/api/v1/deposits/17/binary', JSON_TYPE, 'route'],
    // Parsed whole, whatever the path looks like.
    ['POST', '/binary', JSON_TYPE, 'parser'],
    ['POST', '/api/v1/nothing/at/all/binary', JSON_TYPE, 'parser'],
    ['PATCH', '/api/v1/tasks/inputs', JSON_TYPE, 'parser'],
    ['POST', '/api/v1/tasks', JSON_TYPE, 'parser'],
    // Refused.
    ['POST', '/binary', FORM, 'nobody'],
    ['DELETE', '/api/v1/agents/my-agent/binary', FORM, 'nobody'],
    ['POST', '/api/v1/tasks', FORM, 'nobody'],
    ['POST', '/api/v1/tasks/inputs', WASM, 'nobody'],
    ['POST', '/api/v1/tasks', undefined, 'nobody'],
  ])('of %s %s with %s is: %s', (method, url, type, reader) => {
    expect(bodyReader(request(method, url, type))).toBe(reader);
  });

  it('is nobody where there is no body', () => {
    expect(bodyReader(request('POST', '/api/v1/tasks', JSON_TYPE, '0'))).toBe('nobody');
  });
});

it('only a route that reads bodies as streams counts as an upload', () => {
  expect(isUpload({ method: 'POST', path: '/api/v1/agents/a/binary' })).toBe(true);
  expect(isUpload({ method: 'POST', path: '/api/v1/agents/a/b/binary' })).toBe(false);
});
