import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId } from '../common/ids.js';
import { Sql } from '../database/index.js';
import { EventLog, LOCK_FEED } from '../feed/index.js';
import { LEASED_STATES, UNFINISHED_STATES } from './task-state.js';

/**
 * Questions that agents ask the submitters of their tasks, and the answers.
 *
 * A question belongs to its task, its agent, its place among the questions of its attempt, and its text. So when a worker
 * dies and the agent runs again, the same question is found: with its answer, or still open until the same time. A retry
 * by hand asks anew.
 *
 * A question is *open* until it is answered, closed by its worker, or past its time.
 */
@Injectable()
export class TaskQuestions {
  constructor(
    private readonly sql: Sql,
    private readonly events: EventLog,
  ) {}

  /** Records a question, or finds the one that was asked before. @returns null when the attempt no longer counts */
  async ask({ taskId, attempt, agentId, place, question, schema, waitMs }: NewQuestion): Promise<AskedQuestion | null> {
    const schemaText = schema ? JSON.stringify(schema) : null;
    const hash = createHash('sha256')
      .update(JSON.stringify([question, schemaText]))
      .digest('hex');
    const [row] = await this.sql.query<AskedRow>('question-ask', ASK, [
      ...[newId(), taskId, attempt, agentId, place, hash, question, schemaText, waitMs],
    ]);
    if (!row) return null;
    return {
      id: row.id,
      question,
      schema,
      askedAt: row.asked_at,
      expiresAt: row.expires_at,
      leftMs: Math.max(0, row.left_ms),
      answer: row.answer,
      isOpen: row.answer === null && row.closed_at === null && row.left_ms > 0,
    };
  }

  /** Closes a question that has no answer yet. @returns the answer, if there is one after all, as JSON text */
  async close(id: string): Promise<string | null> {
    const closed = await this.sql.query('question-close', CLOSE, [id]);
    return closed.length > 0 ? null : ((await this.answers([id])).get(id) ?? null);
  }

  /** Answers as JSON text, by question. Those that are not answered are left out. */
  async answers(ids: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.sql.query<{ id: string; answer: string }>('question-answers', ANSWERS, [ids]);
    return new Map(rows.map(({ id, answer }) => [id, answer]));
  }

  /** A question of a task, for the one who answers; null when the task has no such question. */
  async find(taskId: string, id: string): Promise<KnownQuestion | null> {
    const [row] = await this.sql.query<KnownQuestion>('question-find', FIND, [taskId, id]);
    return row ?? null;
  }

  /**
   * Answers an open question and notifies the worker.
   * @param answer JSON text
   * @returns false when the question is not open, or its agent no longer works on the task; then nothing was written
   */
  async answer(taskId: string, id: string, answer: string): Promise<boolean> {
    const bytes = Buffer.byteLength(answer);
    const [row] = await this.sql.query<{ seq: string }>('question-answer', ANSWER, [taskId, id, answer, bytes]);
    if (!row) return false;
    this.events.announce({ seq: Number(row.seq), signals: [{ type: 'task.input_received', id: taskId }] });
    return true;
  }
}

export interface NewQuestion {
  taskId: string;
  /** Ordinal of the attempt that asks. */
  attempt: number;
  agentId: string;
  /** Number of the question in its attempt, from 0. */
  place: number;
  question: string;
  schema: object | null;
  /** How long it may wait, ms. The deadline of the task ends it sooner. */
  waitMs: number;
}

/** As its worker sees it. */
export interface AskedQuestion {
  id: string;
  question: string;
  schema: object | null;
  askedAt: Date;
  expiresAt: Date;
  /** Time until it expires, ms. */
  leftMs: number;
  /** JSON text; null: none yet. */
  answer: string | null;
  isOpen: boolean;
}

/** As the one who answers needs it. */
export interface KnownQuestion {
  schema: object | null;
  /** JSON text; null: none yet. */
  answer: string | null;
}

interface AskedRow {
  id: string;
  asked_at: Date;
  expires_at: Date;
  left_ms: number;
  answer: string | null;
  closed_at: Date | null;
}

/** The guard is the task's row: an attempt that is over asks nothing more. */
const ASK = `
  INSERT INTO task_questions AS known
    (id, task_id, forgiven_attempts, attempt, agent_id, place, hash, question, schema, expires_at)
  SELECT $1::uuid, id, forgiven_attempts, $3::int, $4::uuid, $5::int, $6::text, $7::text, $8::json,
         least(deadline, clock_timestamp() + $9::float8 * interval '1 millisecond')
    FROM tasks
   WHERE id = $2 AND attempt = $3 AND status IN ${LEASED_STATES}
  ON CONFLICT ON CONSTRAINT task_questions_place_key DO UPDATE SET attempt = excluded.attempt
  RETURNING id, asked_at, expires_at, answer::text AS answer, closed_at,
            (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::float8 AS left_ms`;

const CLOSE = `
  UPDATE task_questions SET closed_at = clock_timestamp()
   WHERE id = $1 AND answered_at IS NULL AND closed_at IS NULL
  RETURNING id`;

const ANSWERS = `
  SELECT id, answer::text AS answer FROM task_questions WHERE id = ANY ($1::uuid[]) AND answered_at IS NOT NULL`;

const FIND = 'SELECT schema, answer::text AS answer FROM task_questions WHERE id = $2 AND task_id = $1';

/** Takes the feed's lock before it locks rows, as every statement does that writes events. */
const ANSWER = `
  WITH feed AS MATERIALIZED (SELECT ${LOCK_FEED}, clock_timestamp() AS at),
  answered AS (
    UPDATE task_questions AS question
       SET answer = $3::json, answered_at = at
      FROM feed, tasks
     WHERE question.id = $2 AND question.task_id = $1 AND tasks.id = $1
       AND question.answered_at IS NULL AND question.closed_at IS NULL AND question.expires_at > at
       AND question.forgiven_attempts = tasks.forgiven_attempts
       AND tasks.status IN ${UNFINISHED_STATES}
       AND coalesce(tasks.agent_id, question.agent_id) = question.agent_id
    RETURNING question.id, question.attempt, question.agent_id, tasks.id AS task_id, tasks.user_id
  ),
  counted AS (UPDATE tasks SET row_bytes = row_bytes + $4::int WHERE id IN (SELECT task_id FROM answered)),
  event AS (
    INSERT INTO task_events (type, task_id, user_id, agent_id, data)
    SELECT 'task.input_received', task_id, user_id, agent_id,
           json_build_object('attempt', attempt, 'agent_id', agent_id, 'question_id', id)
      FROM answered
    RETURNING seq
  )
  SELECT seq FROM event`;
