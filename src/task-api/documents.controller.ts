import { type Readable, Transform } from 'node:stream';
import { Controller, Get, Inject, Param, Post, Query, Req, Res, type StreamableFile } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { AppError } from '../common/app-error.js';
import { JsonScanner, MAX_INPUT_DEPTH } from '../common/json-scanner.js';
import { NeedsRoom } from '../common/needs-room.js';
import { RawJson } from '../common/raw-json.js';
import { assertUtf8, discardBody, mostBytesOf, unpackedBodyOf } from '../common/request-body.js';
import { TaskConfig } from '../config/index.js';
import { answerBlob, ApiDownload, BLOB_STORE, type BlobStore, RedirectQuery } from '../storage/index.js';
import { BroughtInputDto } from './task.dto.js';
import { type TaskDocument, TaskDocuments } from '../tasks/index.js';
import { TaskService } from './task.service.js';

const MEDIA_TYPE = 'application/json';

/** Inputs that are too large for the body of their task. */
@ApiTags('tasks')
@Controller('tasks')
export class DocumentsController {
  private readonly maxBytes: number;

  constructor(
    private readonly tasks: TaskService,
    private readonly documents: TaskDocuments,
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    { maxInputBlobBytes }: TaskConfig,
  ) {
    this.maxBytes = maxInputBlobBytes;
  }

  /**
   * Brings an input that is too large for the body of its task; tasks name it as `input_ref`.
   * @remarks The body is the input: one JSON document other than null, of at most 50 MiB where the server says nothing else.
   * The agent reads these very bytes. It is yours alone, counts among your stored bytes, and is kept as long as a task of yours is
   * that names it, but a day at least. The same bytes again renew it.
   */
  @Post('inputs')
  @Access('tasks:write')
  @ApiOperation({ operationId: 'bringInput' })
  @NeedsRoom()
  @ApiBody({ schema: { description: 'Any JSON but null.', example: { rows: [[1, 2, 3]] } } })
  @ApiHeader({
    name: 'Content-Encoding',
    required: false,
    description: '`gzip`, `br` or `deflate`, where the body is packed.',
    schema: { type: 'string' },
  })
  @ApiCreatedResponse({ type: BroughtInputDto, description: 'What to call it.' })
  @ApiProblems(401, 415)
  @ApiProblem(400, {
    meaning: 'The body is not one JSON document.',
    code: 'INPUT_INVALID',
    detail: 'The input is not one JSON document: "}" is unexpected at byte 7.',
  })
  @ApiProblem(403, {
    meaning: 'As for every route, or (`QUOTA_EXCEEDED`) you have stored as much as an account may.',
    code: 'QUOTA_EXCEEDED',
    detail: 'An account stores at most 5368709120 bytes, versions of agents and documents of tasks together.',
  })
  @ApiProblem(413, {
    meaning: 'The input, unpacked, is larger than the server takes.',
    code: 'INPUT_TOO_LARGE',
    detail: 'The input is larger than 52428800 bytes.',
  })
  async bring(@CurrentCaller() caller: Caller, @Req() request: Request): Promise<BroughtInputDto> {
    try {
      if (!request.is('json')) {
        throw new AppError('unsupported', 'UNSUPPORTED_MEDIA_TYPE', 'Send JSON with `Content-Type: application/json`.');
      }
      assertUtf8(request);
      if (Number(request.headers['content-length'] ?? 0) > this.maxBytes) throw tooLarge(this.maxBytes);
      const body = (): Readable => unpackedBodyOf(request, jsonCheck());
      const most = mostBytesOf(request, this.maxBytes);
      const { sha256, size, expiresAt } = await this.documents.keep(caller.id, body, most);
      return { input_ref: sha256, size, expires_at: expiresAt.toISOString() };
    } catch (error) {
      discardBody(request);
      throw error instanceof AppError && error.code === 'BLOB_TOO_LARGE' ? tooLarge(this.maxBytes) : error;
    }
  }

  /**
   * The input of a task, as a document.
   * @remarks Where it was brought to `POST /tasks/inputs`: a redirect to an address that has the bytes and works for some
   * minutes; with `redirect=false` the bytes themselves, all or a `Range` of them. `HEAD` never redirects.
   * @param id UUID of the task
   */
  @Get(':id/input')
  @Access('tasks:read')
  @ApiOperation({ operationId: 'getTaskInput' })
  @ApiDownload(MEDIA_TYPE)
  async input(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { redirect }: RedirectQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile | string | undefined> {
    const input = await this.tasks.input(caller, id);
    if (!(input instanceof RawJson)) return answerDocument(this.blobs, `input-${id}`, input, redirect, response);
    response.type('json');
    return input.text;
  }
}

/** @param name of the file that it is saved as */
export function answerDocument(
  blobs: BlobStore,
  name: string,
  { storageRef: ref, sha256, size }: TaskDocument,
  redirect: boolean,
  response: Response,
): Promise<StreamableFile | undefined> {
  return answerBlob(
    blobs,
    { ref, sha256, size, filename: `${name}.json`, contentType: MEDIA_TYPE },
    redirect,
    response,
  );
}

/** Passes bytes on that are one JSON document other than null, and ends with an error where they are not. */
function jsonCheck(): Transform {
  const scanner = new JsonScanner(MAX_INPUT_DEPTH);
  const attempt = (step: () => void, done: (error?: Error) => void): void => {
    try {
      step();
    } catch (error) {
      return done(invalid(`The input is not one JSON document: ${(error as Error).message}.`));
    }
    done();
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      attempt(
        () => scanner.push(chunk),
        (error) => done(error, chunk),
      );
    },
    flush(done) {
      attempt(
        () => scanner.end(),
        (error) => done(error ?? (scanner.isNull ? invalid('The input must not be null.') : null)),
      );
    },
  });
}

const invalid = (message: string): AppError => new AppError('invalid', 'INPUT_INVALID', message);
const tooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', 'INPUT_TOO_LARGE', `The input is larger than ${maxBytes} bytes.`);
