import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, type EntityManager, type FindOptionsWhere, In, Raw } from 'typeorm';
import { holdAccount } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { RawJson } from '../common/raw-json.js';
import { StorageConfig, TaskConfig } from '../config/index.js';
import { BLOB_STORE, type BlobHolder, BlobLedger, type BlobStore, type StagedBlob, Staging } from '../storage/index.js';
import { TaskDocument } from './task-document.entity.js';
import type { Task } from './task.entity.js';
import type { NewTask } from './new-task.js';

/** A larger result becomes a document of the blob store, whether its submitter asked for one or not. Bytes. */
export const MAX_ROW_RESULT_BYTES = 8 * 1024;

/** What a document needs to be read again. */
export type StoredDocument = Pick<TaskDocument, 'sha256' | 'size' | 'storageRef'>;

/**
 * Inputs and results that are too large for a row: kept in the blob store, counted for their owner, and deleted when no task
 * refers to them any more and their time is over.
 *
 * From the stream to the commit that names it a document leaves nothing that counts: a staged file, or bytes that the ledger
 * knows and the cleanup removes.
 */
@Injectable()
export class TaskDocuments {
  constructor(
    private readonly database: DataSource,
    private readonly staging: Staging,
    private readonly ledger: BlobLedger,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
    private readonly config: TaskConfig,
    private readonly storage: StorageConfig,
  ) {
    ledger.register(DOCUMENT_BYTES);
  }

  /**
   * Stores a document for its owner, who has it from then on for `DOCUMENT_TTL_MS` at least. The same bytes again renew it.
   * @param bytes are not looked at; called once there is room for them
   * @throws AppError `too_large` `BLOB_TOO_LARGE`, `forbidden` `QUOTA_EXCEEDED`, `full` `DISK_FULL`, `unauthorised` `ACCOUNT_GONE`, and what `bytes` end with
   */
  async keep(userId: string, bytes: () => Readable, maxBytes: number): Promise<TaskDocument> {
    const release = await this.ledger.reserve(userId, maxBytes);
    try {
      return await this.keepStaged(userId, await this.staging.stage(bytes, maxBytes));
    } finally {
      release();
    }
  }

  private async keepStaged(userId: string, staged: StagedBlob): Promise<TaskDocument> {
    try {
      const { sha256, size } = staged;
      await this.expectRoom({ userId, sha256, size });
      const storageRef = await this.ledger.keepConfidential(staged);
      return await this.database.transaction(async (transaction) => {
        await holdAccount(transaction, userId);
        await this.expectRoom({ userId, sha256, size }, transaction);
        const [document] = await transaction.query<TaskDocument[]>(KEEP, [
          userId,
          sha256,
          size,
          storageRef,
          this.config.documentTtlMs,
        ]);
        return document;
      });
    } finally {
      await this.staging.discard(staged);
    }
  }

  /**
   * The documents that new tasks of one user name as their inputs.
   * @param placeOf where in the request a task is, such as `tasks.17.`
   * @throws AppError `unprocessable` `INPUT_UNKNOWN` when one of them is none of the submitter's, or its time is over
   */
  async namedBy(tasks: readonly NewTask[], placeOf: (index: number) => string = () => ''): Promise<ByRef> {
    const named = tasks.flatMap(({ inputRef }) => inputRef ?? []);
    if (named.length === 0) return NO_DOCUMENTS;
    const documents = await this.find(tasks[0].userId, named, { expiresAt: Raw((column) => `${column} > now()`) });
    const unknown = tasks.findIndex(({ inputRef }) => inputRef !== null && !documents.has(inputRef));
    if (unknown < 0) return documents;
    throw new AppError(
      'unprocessable',
      'INPUT_UNKNOWN',
      'You have brought no such input, or its time is over: bring it to POST /tasks/inputs.',
      { errors: [{ field: `${placeOf(unknown)}input_ref`, message: 'names no document of yours' }] },
    );
  }

  /** Those that a task refers to. */
  async of({ userId, inputRef, resultRef }: Task): Promise<ByRef> {
    const refs = [inputRef, resultRef].filter((ref) => ref !== null);
    return refs.length > 0 ? this.find(userId, refs) : NO_DOCUMENTS;
  }

  /** One that a task of the user refers to. @throws AppError `not_found` when the task has been deleted just now */
  async get(userId: string, ref: string): Promise<TaskDocument> {
    const document = (await this.find(userId, [ref])).get(ref);
    if (!document) throw notFound('task');
    return document;
  }

  /**
   * The result of a task whose submitter asked for its value; null where it has none.
   * @throws AppError `not_found` `RESULT_GONE`, `internal` `RESULT_DAMAGED`, or the store's when it is away
   */
  async resultOf({ result, resultRef, resultByRef }: Task, documents: ByRef): Promise<RawJson | null> {
    const document = resultByRef ? undefined : documents.get(resultRef ?? '');
    return document ? this.readResult(document) : result;
  }

  /** @throws AppError as `resultOf` */
  async readResult(document: StoredDocument): Promise<RawJson> {
    return new RawJson((await this.read(document, RESULT)).toString());
  }

  /**
   * The bytes of a document, in one piece of exactly its size, once they have been found to be its own.
   * @throws AppError `not_found` `INPUT_GONE`, `internal` `INPUT_DAMAGED`, or the store's when it is away
   */
  async read({ sha256, size, storageRef }: StoredDocument, kind: Kind = INPUT): Promise<Buffer> {
    const hash = createHash('sha256');
    const bytes = Buffer.allocUnsafe(size);
    let length = 0;
    try {
      for await (const chunk of (await this.store.get(storageRef)) as AsyncIterable<Buffer>) {
        if (length + chunk.length > size) throw damaged(kind);
        hash.update(chunk);
        bytes.set(chunk, length);
        length += chunk.length;
      }
    } catch (error) {
      throw error instanceof AppError && error.code === 'BLOB_NOT_FOUND' ? gone(kind, error) : error;
    }
    if (length !== size || hash.digest('hex') !== sha256) throw damaged(kind);
    return bytes;
  }

  /** Deletes up to `limit` documents whose time is over and that no task refers to. @returns how many */
  async deleteUnused(limit: number): Promise<number> {
    const [{ count }] = await this.database.query<{ count: number }[]>(DELETE_UNUSED, [
      this.storage.cleanupGraceMs,
      limit,
    ]);
    return count;
  }

  private async find(
    userId: string,
    refs: readonly string[],
    further?: FindOptionsWhere<TaskDocument>,
  ): Promise<ByRef> {
    const where = { userId, sha256: In([...new Set(refs)]), ...further };
    const documents = await this.database.getRepository(TaskDocument).findBy(where);
    return new Map(documents.map((document) => [document.sha256, document]));
  }

  /** Who has these bytes already has room for them. */
  private async expectRoom(
    { userId, sha256, size }: Pick<TaskDocument, 'userId' | 'sha256' | 'size'>,
    transaction: EntityManager = this.database.manager,
  ): Promise<void> {
    if (await transaction.existsBy(TaskDocument, { userId, sha256 })) return;
    await this.ledger.expectRoom(userId, size, transaction);
  }
}

type ByRef = ReadonlyMap<string, TaskDocument>;
export const NO_DOCUMENTS: ByRef = new Map();

/** Which stored bytes documents need: see `BlobLedger`. */
const DOCUMENT_BYTES: BlobHolder = {
  needs: 'EXISTS (SELECT FROM task_documents d WHERE d.storage_ref = blobs.ref)',
  bytesOf: 'SELECT coalesce(sum(d.size), 0) FROM task_documents d WHERE d.user_id = $1',
};

const KEEP = `
  INSERT INTO task_documents AS known (user_id, sha256, size, storage_ref, expires_at)
  VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
  ON CONFLICT (user_id, sha256) DO UPDATE
    SET storage_ref = excluded.storage_ref, expires_at = greatest(known.expires_at, excluded.expires_at)
  RETURNING user_id AS "userId", sha256, size, storage_ref AS "storageRef", expires_at AS "expiresAt"`;

/**
 * Between the last moment in which a new task may name a document and the first in which it may be deleted lies the grace
 * period: no submission takes that long, so its foreign key always finds the document.
 */
const DELETE_UNUSED = `
  WITH gone AS (
    DELETE FROM task_documents
     WHERE (user_id, sha256) IN (
       SELECT user_id, sha256
         FROM task_documents d
        WHERE expires_at < now() - $1 * interval '1 millisecond'
          AND NOT EXISTS (SELECT FROM tasks WHERE tasks.user_id = d.user_id AND input_ref = d.sha256)
          AND NOT EXISTS (SELECT FROM tasks WHERE tasks.user_id = d.user_id AND result_ref = d.sha256)
        ORDER BY expires_at
        LIMIT $2
          FOR UPDATE SKIP LOCKED
     )
    RETURNING size
  )
  SELECT count(*)::int AS count FROM gone`;

interface Kind {
  code: string;
  name: string;
  /** What its submitter can do. */
  remedy: string;
}
const INPUT: Kind = { code: 'INPUT', name: 'input', remedy: 'bring it again, then retry the task' };
const RESULT: Kind = { code: 'RESULT', name: 'result', remedy: 'submit the task again' };

const gone = ({ code, name, remedy }: Kind, cause: Error): AppError =>
  new AppError('not_found', `${code}_GONE`, `The stored ${name} of this task is gone: ${remedy}.`, { cause });
const damaged = ({ code, name, remedy }: Kind): AppError =>
  new AppError('internal', `${code}_DAMAGED`, `The stored ${name} of this task is damaged: ${remedy}.`);
