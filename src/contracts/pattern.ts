import { type Atom, parsePattern } from './pattern-syntax.js';
import type { Steps } from './steps.js';

/** States of one pattern, repetitions written out. */
const MAX_STATES = 1000;

type State =
  | { kind: 'set'; set: Set; next: number }
  | { kind: 'split'; next: number[] }
  | { kind: 'start' | 'end'; next: number }
  | { kind: 'match' };
type Set = Extract<Atom, { kind: 'set' }>;

/**
 * A regular expression that is matched in linear time, so no pattern and no text can make it backtrack. It knows the part of
 * ECMA-262 that can be matched so: no look-around, no back-references, no word boundaries.
 *
 * Source: Thompson, "Regular expression search algorithm", CACM 11 (1968).
 */
export class Pattern {
  private readonly states: State[] = [];
  private readonly first: number;
  /** Parts written so far. Empty ones write no state, but repeating them takes time. */
  private built = 0;

  /** @throws SyntaxError that says what the pattern has and may not have */
  constructor(source: string) {
    const match = this.add({ kind: 'match' });
    this.first = this.build(parsePattern(source), match);
  }

  /** Whether any part of the text matches. @throws TooCostly */
  test(text: string, steps: Steps): boolean {
    const points = Array.from(text, (character) => character.codePointAt(0) as number);
    steps.take(points.length);
    const seen = new Int32Array(this.states.length).fill(-1);
    let current: number[] = [];
    for (let at = 0; at <= points.length; at++) {
      if (this.enter(this.first, at, points.length, seen, current, steps)) return true;
      const next: number[] = [];
      const after = at + 1;
      for (const index of current) {
        const state = this.states[index] as Extract<State, { kind: 'set' }>;
        steps.take(1 + (state.set.ranges.length >> 2));
        if (at === points.length || !includes(state.set, points[at])) continue;
        if (this.enter(state.next, after, points.length, seen, next, steps)) return true;
      }
      current = next;
    }
    return false;
  }

  /** Adds the states that consume text and can be reached from one. @returns whether the end is reached */
  private enter(from: number, at: number, length: number, seen: Int32Array, into: number[], steps: Steps): boolean {
    const open = [from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (seen[index] === at) continue;
      seen[index] = at;
      steps.take(1);
      const state = this.states[index];
      if (state.kind === 'match') return true;
      if (state.kind === 'set') into.push(index);
      else if (state.kind === 'split') open.push(...state.next);
      else if (at === (state.kind === 'start' ? 0 : length)) open.push(state.next);
    }
    return false;
  }

  /** Writes the states of an atom. @returns the state that it begins with */
  private build(atom: Atom, next: number): number {
    if (++this.built > 10 * MAX_STATES) throw tooLarge();
    switch (atom.kind) {
      case 'set':
        return this.add({ kind: 'set', set: atom, next });
      case 'start':
      case 'end':
        return this.add({ kind: atom.kind, next });
      case 'sequence':
        return atom.parts.reduceRight((after, part) => this.build(part, after), next);
      case 'choice':
        return this.add({ kind: 'split', next: atom.options.map((option) => this.build(option, next)) });
      case 'repeat': {
        let after = next;
        if (atom.most === Infinity) {
          const loop = { kind: 'split' as const, next: [next] };
          after = this.add(loop);
          loop.next.push(this.build(atom.part, after));
        } else {
          for (let count = atom.least; count < atom.most; count++) {
            after = this.add({ kind: 'split', next: [next, this.build(atom.part, after)] });
          }
        }
        for (let count = 0; count < atom.least; count++) after = this.build(atom.part, after);
        return after;
      }
    }
  }

  private add(state: State): number {
    if (this.states.length === MAX_STATES) throw tooLarge();
    return this.states.push(state) - 1;
  }
}

const tooLarge = (): SyntaxError => new SyntaxError('is too large, repetitions written out');

const includes = ({ ranges, negated }: Set, point: number): boolean =>
  ranges.some(([low, high]) => point >= low && point <= high) !== negated;
