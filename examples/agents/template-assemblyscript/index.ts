/**
 * The template: greets whoever the task names. Replace what stands between reading and writing.
 *
 *   in   {"name": "…"}
 *   out  {"greeting": "…"}
 */
import { log, readInput, refuse, writeOutput } from '../lib/assemblyscript/agent';
import { Json, Kind } from '../lib/assemblyscript/json';

const name = requiredName(readInput());
log('Greeting ' + name + '.');

const result = new Json(Kind.Object);
result.pushMember('greeting', new Json(Kind.String, 'Hello, ' + name + '!'));
writeOutput(result);

function requiredName(task: Json): string {
  const name = task.member('name');
  if (!name || name.kind != Kind.String) refuse('Send {"name": "…"}.');
  return name!.text;
}
