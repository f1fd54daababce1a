import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import type { ScoreboardDto } from './scoreboard.dto.js';
import { Task } from '../tasks/index.js';

/** An auction as it was decided: the scoreboard, kept so that the decision can be explained to the last decimal. */
@Entity('auctions')
export class AuctionRecord {
  @ForeignKey(() => Task, { name: 'auctions_task_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'auctions_pkey' })
  taskId: string;

  /** 1 for the first auction held for the task; another one follows when all attempts of the last have failed. */
  @PrimaryColumn('integer', { default: 1, primaryKeyConstraintName: 'auctions_pkey' })
  round: number;

  /** Ordinal of the attempt it was decided for; null when nobody won. */
  @Column({ type: 'integer', nullable: true })
  firstAttempt: number | null;

  @Column({ type: 'json' })
  scoreboard: ScoreboardDto;

  @Column({ type: 'timestamptz', default: () => 'now()' })
  createdAt: Date;
}
