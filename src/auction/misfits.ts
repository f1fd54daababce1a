import { setImmediate as turn } from 'node:timers/promises';
import type { Candidate, VersionContract } from '../agents/index.js';
import { type Steps, stepsFor, type Verdict } from '../contracts/index.js';

/** Agents that cannot take an input, with one sentence that says why. */
export type Misfits = Map<string, string>;

/** How long a check may keep the event loop from others, ms. */
const TURN_MS = 5;

/**
 * Compares the input of one auction with what candidates declare. The work is bounded for each owner, so costly schemas of
 * one owner cost others nothing; its agents that are left unchecked then do not bid.
 */
export class InputCheck {
  readonly misfits: Misfits = new Map();
  private readonly checked = new Set<string>();
  private readonly steps = new Map<string, Steps>();

  /**
   * @param input parsed JSON
   * @param bytes of its text
   */
  constructor(
    private readonly input: unknown,
    private readonly bytes: number,
  ) {}

  isChecked({ agentId }: Candidate): boolean {
    return this.checked.has(agentId);
  }

  /** Checks those that are not checked yet. @returns whether there are new misfits */
  async check(candidates: readonly Candidate[], contracts: ReadonlyMap<string, VersionContract>): Promise<boolean> {
    const before = this.misfits.size;
    let startedAt = performance.now();
    for (const candidate of candidates) {
      if (this.checked.has(candidate.agentId)) continue;
      this.checked.add(candidate.agentId);
      const schema = contracts.get(candidate.contract?.versionId ?? '')?.input;
      const verdict = schema?.check(this.input, this.stepsOf(candidate.ownerId));
      if (verdict && verdict.end !== 'fits') this.misfits.set(candidate.agentId, sentenceOf(verdict));
      if (performance.now() - startedAt < TURN_MS) continue;
      await turn();
      startedAt = performance.now();
    }
    return this.misfits.size > before;
  }

  private stepsOf(ownerId: string): Steps {
    let steps = this.steps.get(ownerId);
    if (!steps) this.steps.set(ownerId, (steps = stepsFor(this.bytes)));
    return steps;
  }
}

const sentenceOf = (verdict: Exclude<Verdict, { end: 'fits' }>): string =>
  verdict.end === 'fault'
    ? `The input does not fit its schema: ${verdict.at || 'the input'} ${verdict.reason}.`
    : 'Comparing the input with the schemas of its owner takes too long.';
