import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { bigintColumn } from '../database/index.js';
import { Task } from './task.entity.js';

/** One run of one agent version for a task. Written by `TaskStore.transition` together with the task's status. */
@Entity('task_attempts')
export class TaskAttempt {
  @ForeignKey(() => Task, { name: 'task_attempts_task_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'task_attempts_pkey' })
  taskId: string;

  /** 1 for the first. */
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'task_attempts_pkey' })
  ordinal: number;

  @Column('uuid')
  agentId: string;

  @Column({ type: 'varchar', length: 64 })
  version: string;

  /** What its owner is paid if it completes the task, before the fee. */
  @Column(bigintColumn)
  priceMicro: bigint;

  /** How the run ended, as the sandbox calls it (`completed`, `timed_out`, …), or `lost` with its worker, or `handed_back` by it; null while it goes on. */
  @Column({ type: 'varchar', length: 32, nullable: true })
  outcome: string | null;

  @Column({ type: 'json', nullable: true })
  error: { code: string; message: string } | null;

  @Column({ type: 'json', nullable: true })
  metering: AttemptMetering | null;

  @Column({ type: 'timestamptz' })
  startedAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  endedAt: Date | null;
}

export interface AttemptMetering {
  wall_ms: number;
  cpu_ms: number;
  peak_memory_bytes: number;
  bytes_in: number;
  bytes_out: number;
  host_calls: number;
}
