import { AppError } from '../common/app-error.js';
import type { MissingWall } from '../common/walls.js';
import { absentTools, type Measure } from './launch-line.js';
import type { Alternatives, Plan } from './measures.js';

/** A launch line, and the walls that it does not give. */
interface Choice {
  measures: Measure[];
  missing: MissingWall[];
}

/** @returns why nothing starts behind these measures, or undefined when it does */
type Refusal = (measures: readonly Measure[]) => Promise<string | undefined>;

/** Two ways to try a launch line: `whole` starts the probe in Node.js; `quick` starts a tool that says its version. */
interface Trials {
  whole: Refusal;
  quick: Refusal;
}

/** @returns the launch line of the first plan that lacks no wall, or else of the plan that lacks the fewest. */
export async function best(plans: readonly Plan[], trials: Trials): Promise<Choice> {
  const choices: Choice[] = [];
  for (const { alternatives, missing } of plans) {
    const chosen = await choose(alternatives, trials);
    choices.push({ measures: chosen.measures, missing: [...missing, ...chosen.missing] });
    if (choices.at(-1)!.missing.length === 0) break;
  }
  return choices.reduce((least, choice) => (choice.missing.length < least.missing.length ? choice : least));
}

/**
 * The launch line that works: all of the best measures, or else the best that works for each wall. A quick trial finds most
 * measures that the machine refuses. Only when the rest does not start Node.js is each tried with it, which takes long.
 */
async function choose(alternatives: readonly Alternatives[], { whole, quick }: Trials): Promise<Choice> {
  const candidates = alternatives.map((measures) => measures.filter((measure) => absentTools(measure).length === 0));
  const wantedLine = candidates.flatMap((measures) => measures.slice(0, 1));
  if (!(await whole(wantedLine))) return choiceOf(alternatives, { measures: wantedLine, refused: new Map() });
  const failure = await whole([]);
  if (failure) throw startFailed(failure);
  const found = (await quick([])) ? undefined : await pick(candidates, quick);
  const works = found && !(await whole(found.measures));
  return choiceOf(alternatives, works ? found : await pick(candidates, whole));
}

interface Picked {
  measures: Measure[];
  /** Why the others are not among them. */
  refused: Map<Measure, string>;
}

/** Adds one measure after the other, of each candidate the first that works with those before. */
async function pick(candidates: readonly Alternatives[], refusal: Refusal): Promise<Picked> {
  const measures: Measure[] = [];
  const refused = new Map<Measure, string>();
  for (const candidate of candidates) {
    for (const measure of candidate) {
      const reason = await refusal([...measures, measure]);
      if (reason) refused.set(measure, reason);
      else measures.push(measure);
      if (!reason) break;
    }
  }
  return { measures, refused };
}

/** Names the walls that the best alternatives would have given. */
function choiceOf(alternatives: readonly Alternatives[], { measures, refused }: Picked): Choice {
  const missing = alternatives.flatMap(([wanted, ...others]) => {
    const taken = [wanted, ...others].find((measure) => measures.includes(measure));
    const reason = refused.get(wanted) ?? `${absentTools(wanted).join(' and ')} is not installed`;
    return wanted.walls.filter((wall) => !taken?.walls.includes(wall)).map((wall) => ({ wall, reason }));
  });
  return { measures, missing };
}

/** Nothing can be confined on a machine that starts no process, or takes too long for it. */
export const startFailed = (how: string): AppError =>
  new AppError('internal', 'CONFINEMENT_FAILED', `A child process does not start: ${how}.`);
