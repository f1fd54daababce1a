import { AppError } from '../common/app-error.js';
import { CONSENT_KINDS, type ConsentKind } from '../common/permissions.js';

/** Agents that one connection may offer as tools. */
export const MOST_AGENTS = 50;
/** Credits; without a limit of the client's, an owner who raises a price would set what a call may cost. */
const DEFAULT_BUDGET = '1';

/** What the address of the endpoint says about agents as tools. */
export interface AgentSelection {
  /** `mine`, or ids of agents and slugs of the caller's own; empty: none. */
  agents: 'mine' | readonly string[];
  /** The most that one call pays, credits as written. */
  budget: string;
  /** What agents may do beside computing. */
  allow: readonly ConsentKind[];
  /** The most that host calls of one call may cost, credits as written. */
  maxHostCost: string | undefined;
}

/**
 * Reads `?agents=<id>,<slug>&budget=2&allow=http,ask&max_host_cost=0.1`, or `?agents=mine`.
 * @throws AppError `invalid` `BAD_SELECTION`
 */
export function selectionOf(query: URLSearchParams): AgentSelection {
  const agents = listOf(query.get('agents'));
  if (agents.length > MOST_AGENTS) throw bad(`agents names ${agents.length} agents; the limit is ${MOST_AGENTS}.`);
  const allow = listOf(query.get('allow'));
  const unknown = allow.find((kind) => !isConsentKind(kind));
  if (unknown) throw bad(`allow takes ${CONSENT_KINDS.join(', ')}.`);
  for (const name of ['budget', 'max_host_cost']) {
    const amount = query.get(name);
    if (amount !== null && !isAmount(amount)) throw bad(`${name} must be credits of 0 or more, such as 1.5.`);
  }
  return {
    agents: agents.length === 1 && agents[0] === 'mine' ? 'mine' : agents,
    budget: query.get('budget') ?? DEFAULT_BUDGET,
    allow: allow.filter(isConsentKind),
    maxHostCost: query.get('max_host_cost') ?? undefined,
  };
}

const listOf = (text: string | null): string[] => [...new Set((text ?? '').split(',').filter(Boolean))];
const isConsentKind = (kind: string): kind is ConsentKind => (CONSENT_KINDS as readonly string[]).includes(kind);
/** As a submission takes it: up to six decimals. */
const isAmount = (text: string): boolean => /^\d{1,12}(\.\d{1,6})?$/.test(text);
const bad = (detail: string): AppError => new AppError('invalid', 'BAD_SELECTION', detail);
