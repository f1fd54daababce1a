import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Agent } from './agent.entity.js';

/** The vote of one account on one agent. The projection of statistics writes it. */
@Entity('agent_ratings')
export class AgentRating {
  @ForeignKey(() => Agent, { name: 'agent_ratings_agent_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_ratings_pkey' })
  agentId: string;

  /** The account that voted. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_ratings_pkey' })
  raterId: string;

  /** 1; more in rows of releases that counted each vote. */
  @Column('integer')
  votes: number;

  /** The newest vote, or the sum of `votes` votes. */
  @Column('integer')
  ratingSum: number;
}
