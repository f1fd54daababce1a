import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { RawJson } from '../common/raw-json.js';
import { MicroBatcher, Sql } from '../database/index.js';
import type { QuestionDto } from './task.dto.js';
import { Task, TaskAttempt } from '../tasks/index.js';

/**
 * Reads tasks as their submitters see them: the row with its attempts. It is what an installation is asked most, so
 * requests at the same moment share one statement.
 */
@Injectable()
export class TaskReader {
  private readonly reads: MicroBatcher<string, TaskWithAttempts | null>;

  constructor(sql: Sql, database: DataSource) {
    const { columns } = database.getMetadata(Task);
    const text = READ(columns.map(({ databaseName }) => databaseName));
    const toTask = (row: Record<string, unknown>): Task =>
      Object.fromEntries(
        columns.map((column) => {
          const value = row[column.databaseName];
          if (isDocument(column.databaseName)) return [column.propertyName, asRaw(value as string | null)];
          return [column.propertyName, database.driver.prepareHydratedValue(value, column)];
        }),
      ) as unknown as Task;
    this.reads = new MicroBatcher(
      async (ids) => {
        const rows = await sql.query<Row>('task-read', text, [ids]);
        const tasks = new Map(
          rows.map((row) => [
            row.id,
            {
              task: toTask(row),
              attempts: row.attempts.map(toAttempt(row.id)),
              question: row.question && toQuestion(row.question),
            },
          ]),
        );
        return ids.map((id) => tasks.get(id) ?? null);
      },
      // Inputs and results are megabytes at the most.
      { maxItems: 16 },
    );
  }

  /** @returns null when there is no such task */
  read(id: string): Promise<TaskWithAttempts | null> {
    return this.reads.add(id);
  }
}

export interface TaskWithAttempts {
  task: Task;
  /** The first one first. */
  attempts: TaskAttempt[];
  /** What its agent waits for; null: it does not wait. */
  question: QuestionDto | null;
}

/** Columns that hold a document: read as text, since parsing would change it. */
const isDocument = (column: string): boolean => column === 'input' || column === 'result';
const asRaw = (text: string | null): RawJson | null => (text === null ? null : new RawJson(text));

type Row = Record<string, unknown> & { id: string; attempts: AttemptRow[]; question: QuestionDto | null };

/** As JSON has it. */
type AttemptRow = Omit<TaskAttempt, 'taskId' | 'priceMicro' | 'startedAt' | 'endedAt'> & {
  priceMicro: string;
  startedAt: string;
  endedAt: string | null;
};

/** JSON has times as PostgreSQL writes them. */
const toQuestion = ({ asked_at, expires_at, ...question }: QuestionDto): QuestionDto => ({
  ...question,
  asked_at: new Date(asked_at).toISOString(),
  expires_at: new Date(expires_at).toISOString(),
});

const toAttempt =
  (taskId: string) =>
  (row: AttemptRow): TaskAttempt => ({
    ...row,
    taskId,
    priceMicro: BigInt(row.priceMicro),
    startedAt: new Date(row.startedAt),
    endedAt: row.endedAt === null ? null : new Date(row.endedAt),
  });

/** Columns by name: a statement that is prepared with `*` breaks when a migration adds one. */
const READ = (columns: string[]): string => `
  SELECT ${columns.map((column) => (isDocument(column) ? `${column}::text` : `tasks.${column}`)).join(', ')},
         (SELECT coalesce(json_agg(json_build_object(
                   'ordinal', ordinal, 'agentId', agent_id, 'version', version, 'priceMicro', price_micro::text,
                   'outcome', outcome, 'error', error, 'metering', metering, 'startedAt', started_at, 'endedAt', ended_at
                 ) ORDER BY ordinal), '[]')
            FROM task_attempts
           WHERE task_id = tasks.id) AS attempts,
         CASE WHEN status = 'input_required' THEN (
           SELECT json_build_object('id', id, 'question', question, 'schema', schema,
                                    'asked_at', asked_at, 'expires_at', expires_at)
             FROM task_questions AS asked
            WHERE asked.task_id = tasks.id AND asked.attempt = tasks.attempt
              AND asked.answered_at IS NULL AND asked.closed_at IS NULL
            LIMIT 1) END AS question
    FROM tasks
   WHERE id = ANY ($1::uuid[])`;
