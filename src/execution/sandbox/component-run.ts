import { printable } from '../../common/printable.js';
import { ENTRY_FUNCTION, entryOf, WASI_RUN } from '../../common/component/component-imports.js';
import type { ReportedOutcome } from '../frames.js';
import type { AgentResult } from './agent-run.js';
import type { ComponentFunction } from './component/canonical.js';
import { ComponentTrap, Unlinkable } from './component/faults.js';
import type { Exports } from './component/host-interface.js';
import { beginLinking, instantiate, type Linking } from './component/instantiate.js';
import type { PreparedComponent } from './component/prepared.js';
import type { Case } from './component/value-type.js';
import { outputFault } from './json-output.js';
import { explained, outcomeOf, unstartable } from './post-mortem.js';
import { withLessStack } from './stack.js';
import type { WasiRun } from './wasi-host.js';
import { Wasi2Host } from './wasi2/wasi2-host.js';

export { prepareComponent } from './component/prepared.js';

/** As of `AgentRun`: the engine must know the limits of memory and tables. */
export interface ComponentRun extends WasiRun {
  prepared: PreparedComponent;
  /** Of the stack the process has, KiB. */
  withheldStackKb: number;
}

/**
 * Runs a component once: as a command (`wasi:cli/run`, input on standard input, output from standard output), or as an
 * agent (`zerostate:agent/run`, a function from JSON text to JSON text). Synchronous from end to end.
 */
export function runComponent(run: ComponentRun): AgentResult {
  const host = new Wasi2Host(run);
  const linking = beginLinking(run.prepared, host.interfaces, run.limits.maxMemoryPages);
  const ending = start(run, host, linking);
  host.stderr.finish();
  linking.memories.release();
  const usage = {
    peakMemoryBytes: linking.memories.bytes,
    bytesOut: host.stdout.length,
    hostCalls: host.interfaces.calls,
  };
  if (ending.end !== 'exited' || ending.code !== 0) return { outcome: ending, ...usage };
  const fault = outputFault(host.stdout);
  if (fault) return { outcome: { end: 'invalid_output', reason: fault }, ...usage };
  return { outcome: { end: 'completed' }, output: host.stdout, ...usage };
}

/** Up to the end of the entry function, which counts as exit code 0 when it succeeds. */
function start(run: ComponentRun, host: Wasi2Host, linking: Linking): ReportedOutcome {
  const onItsStack = <Result>(work: () => Result): Result => withLessStack(run.withheldStackKb * 1024, work);
  const exited = (code: number): ReportedOutcome => ({ end: 'exited', code, stderrTail: host.stderr.tail });
  try {
    const entry = entryPoint(onItsStack(() => instantiate(linking)));
    const answer = onItsStack(() => entry.call(new TextDecoder().decode(run.input)));
    if (linking.machine.ended !== undefined) throw linking.machine.ended;
    if (answer.case === 0 && answer.value !== undefined) host.write(new TextEncoder().encode(answer.value as string));
    if (answer.case === 0) return exited(0);
    if (answer.value !== undefined) host.stderr.write(new TextEncoder().encode(`${answer.value as string}\n`));
    return explainedBy(linking, exited(1), run);
  } catch (thrown) {
    const error = linking.machine.ended ?? thrown;
    if (error instanceof Unlinkable) return unstartable(printable(error.message), run.limits);
    if (error instanceof ComponentTrap) host.stderr.write(new TextEncoder().encode(`${error.rule}\n`));
    return explainedBy(linking, outcomeOf(error, host.stderr.tail, run.limits), run);
  }
}

function explainedBy(linking: Linking, outcome: ReportedOutcome, { limits }: ComponentRun): ReportedOutcome {
  const { owners, firstBytes, bytes: lastBytes } = linking.memories;
  for (const { exports, module: observation, tables } of owners) {
    const cause = explained(outcome, { exports, observation, limits, firstBytes, lastBytes, tables });
    if (cause !== outcome) return cause;
  }
  return outcome;
}

interface Entry {
  /** @param input JSON text @returns a result: without values, or with the output or a message as text */
  call(input: string): Case;
}

/** @throws Unlinkable when the component has no entry point of a known type */
function entryPoint(exports: Exports): Entry {
  for (const [name, exported] of exports) {
    const entry = entryOf(name);
    if (!entry || exported.sort !== 'instance') continue;
    const isCommand = entry === WASI_RUN;
    const func = functionOf(exported.value, isCommand ? '() -> result<_, _>' : '(string) -> result<string, string>');
    if (!func) throw new Unlinkable(`its export ${name} has no function ${ENTRY_FUNCTION} of the right type`);
    return { call: (input) => func.call(isCommand ? [] : [input]) as Case };
  }
  throw new Unlinkable('it exports neither wasi:cli/run nor zerostate:agent/run');
}

function functionOf(exports: Exports, type: string): ComponentFunction | undefined {
  const found = exports.get(ENTRY_FUNCTION);
  return found?.sort === 'func' && found.value.type.describe() === type ? found.value : undefined;
}
