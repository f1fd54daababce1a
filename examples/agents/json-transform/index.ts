/**
 * json-transform: reshapes records.
 *
 *   in   {"data": [{…}, …] or {…}, "operations": [{"op": "…", …}, …]}
 *   out  {"data": …}
 *
 *   {"op": "pick", "fields": ["a", "b"]}           keeps these fields
 *   {"op": "omit", "fields": ["a", "b"]}           drops these fields
 *   {"op": "rename", "from": "a", "to": "b"}       gives a field another name
 *   {"op": "filter", "field": "a", "equals": 1}    keeps the records that pass; also not_equals, greater_than, less_than
 *   {"op": "sort", "by": "a", "order": "desc"}     orders the records, "asc" by default; equal ones keep their order
 *   {"op": "limit", "count": 10}                   keeps the first records
 *
 * Operations run one after the other. pick, omit and rename also take a single object; the others need an array.
 */
import { refuse, log, readInput, writeOutput } from '../lib/assemblyscript/agent';
import { Json, Kind } from '../lib/assemblyscript/json';

/** Each operation passes over all data; this bounds their product. */
const MOST_OPERATIONS: i32 = 20;
/** Where null and missing values go in a sort, whatever its direction. */
const LAST_RANK: i32 = 4;

const task = readInput();
let data = required(task, 'data');
const operations = required(task, 'operations');
if (operations.kind != Kind.Array) refuse('"operations" must be an array.');
if (operations.length > MOST_OPERATIONS) refuse('At most ' + MOST_OPERATIONS.toString() + ' operations are allowed.');
for (let i = 0; i < operations.length; i++) data = apply(operations.at(i), data);
log('Applied ' + operations.length.toString() + ' operations.');

const result = new Json(Kind.Object);
result.pushMember('data', data);
writeOutput(result);

function apply(operation: Json, data: Json): Json {
  const op = requiredString(operation, 'op');
  if (op == 'pick') return selectFields(data, fieldSet(operation), true);
  if (op == 'omit') return selectFields(data, fieldSet(operation), false);
  if (op == 'rename') return rename(data, requiredString(operation, 'from'), requiredString(operation, 'to'));
  if (data.kind != Kind.Array) refuse('"' + op + '" needs "data" to be an array of objects.');
  if (op == 'filter') return filter(data, operation);
  if (op == 'sort') return sort(data, requiredString(operation, 'by'), isDescending(operation));
  if (op == 'limit') return limit(data, operation);
  refuse('There is no operation "' + op + '": use pick, omit, rename, filter, sort or limit.');
  return data;
}

// Fields

function selectFields(data: Json, fields: Set<string>, keep: bool): Json {
  if (data.kind == Kind.Array) {
    const selected = new Json(Kind.Array);
    for (let i = 0; i < data.length; i++) selected.push(selectFields(record(data.at(i)), fields, keep));
    return selected;
  }
  const source = record(data);
  const selected = new Json(Kind.Object);
  for (let i = 0; i < source.length; i++) {
    if (fields.has(source.nameAt(i)) == keep) selected.pushMember(source.nameAt(i), source.at(i));
  }
  return selected;
}

/** A field that already has the new name gives way. */
function rename(data: Json, from: string, to: string): Json {
  if (data.kind == Kind.Array) {
    const renamed = new Json(Kind.Array);
    for (let i = 0; i < data.length; i++) renamed.push(rename(record(data.at(i)), from, to));
    return renamed;
  }
  const source = record(data);
  if (from == to || !source.member(from)) return source;
  const renamed = new Json(Kind.Object);
  for (let i = 0; i < source.length; i++) {
    const name = source.nameAt(i);
    if (name != to) renamed.pushMember(name == from ? to : name, source.at(i));
  }
  return renamed;
}

// Filter

function filter(data: Json, operation: Json): Json {
  const field = requiredString(operation, 'field');
  const equals = operation.member('equals');
  const notEquals = operation.member('not_equals');
  const greaterThan = operation.member('greater_than');
  const lessThan = operation.member('less_than');
  if (!equals && !notEquals && !greaterThan && !lessThan) {
    refuse('"filter" needs one of "equals", "not_equals", "greater_than", "less_than".');
  }

  const kept = new Json(Kind.Array);
  for (let i = 0; i < data.length; i++) {
    const value = record(data.at(i)).member(field);
    if (equals && !isEqual(value, equals)) continue;
    if (notEquals && isEqual(value, notEquals)) continue;
    if (greaterThan && !isGreater(value, greaterThan)) continue;
    if (lessThan && (!value || !isGreater(lessThan, value))) continue;
    kept.push(data.at(i));
  }
  return kept;
}

/** A missing field equals null. */
function isEqual(value: Json | null, wanted: Json): bool {
  if (wanted.kind == Kind.Array || wanted.kind == Kind.Object) refuse('"filter" compares with simple values only.');
  if (!value) return wanted.kind == Kind.Null;
  if (value.kind != wanted.kind) return false;
  return value.kind == Kind.Number ? numberOf(value) == numberOf(wanted) : value.text == wanted.text;
}

/** Only two numbers or two strings have an order. */
function isGreater(value: Json | null, other: Json): bool {
  if (!value || value.kind != other.kind) return false;
  if (value.kind == Kind.Number) return numberOf(value) > numberOf(other);
  return value.kind == Kind.String && value.text > other.text;
}

function numberOf(value: Json): f64 {
  return F64.parseFloat(value.text);
}

// Order

/** A record with what it is sorted by, looked up once. */
class Keyed {
  readonly rank: i32;
  readonly number: f64;
  readonly text: string;

  constructor(
    readonly record: Json,
    key: Json | null,
  ) {
    this.rank = rankOf(key);
    this.number = key && key.kind == Kind.Number ? numberOf(key) : 0;
    this.text = key && key.kind != Kind.Number ? key.text : '';
  }
}

/** Values of different kinds: numbers, then strings, then booleans, then the rest; null and missing are always last. */
function rankOf(key: Json | null): i32 {
  if (!key || key.kind == Kind.Null) return LAST_RANK;
  if (key.kind == Kind.Number) return 0;
  if (key.kind == Kind.String) return 1;
  return key.kind == Kind.Boolean ? 2 : 3;
}

function compareKeys(a: Keyed, b: Keyed): i32 {
  if (a.rank != b.rank) return a.rank - b.rank;
  if (a.number != b.number) return a.number < b.number ? -1 : 1;
  return a.text < b.text ? -1 : i32(a.text > b.text);
}

function ascending(a: Keyed, b: Keyed): i32 {
  return compareKeys(a, b);
}

function descending(a: Keyed, b: Keyed): i32 {
  return a.rank == LAST_RANK || b.rank == LAST_RANK ? compareKeys(a, b) : compareKeys(b, a);
}

function sort(data: Json, by: string, isDescending: bool): Json {
  const keyed: Keyed[] = [];
  for (let i = 0; i < data.length; i++) keyed.push(new Keyed(data.at(i), record(data.at(i)).member(by)));
  keyed.sort(isDescending ? descending : ascending);

  const sorted = new Json(Kind.Array);
  for (let i = 0; i < keyed.length; i++) sorted.push(keyed[i].record);
  return sorted;
}

function isDescending(operation: Json): bool {
  if (!operation.member('order')) return false;
  const order = requiredString(operation, 'order');
  if (order != 'asc' && order != 'desc') refuse('"order" must be "asc" or "desc".');
  return order == 'desc';
}

function limit(data: Json, operation: Json): Json {
  const count = required(operation, 'count');
  const most = count.kind == Kind.Number ? numberOf(count) : -1;
  if (most < 0 || most != Math.floor(most)) refuse('"count" must be a whole number that is not negative.');
  const limited = new Json(Kind.Array);
  for (let i = 0; i < data.length && f64(i) < most; i++) limited.push(data.at(i));
  return limited;
}

// Parts of the input, or the end of the agent

function record(value: Json): Json {
  if (value.kind != Kind.Object) refuse('"data" must be an object or an array of objects.');
  return value;
}

function required(object: Json, name: string): Json {
  const value = object.member(name);
  if (!value) refuse('"' + name + '" is missing in ' + (object == task ? 'the input.' : 'an operation.'));
  return value!;
}

function requiredString(object: Json, name: string): string {
  const value = required(object, name);
  if (value.kind != Kind.String) refuse('"' + name + '" must be a string.');
  return value.text;
}

function fieldSet(operation: Json): Set<string> {
  const fields = required(operation, 'fields');
  if (fields.kind != Kind.Array) refuse('"fields" must be an array of strings.');
  const set = new Set<string>();
  for (let i = 0; i < fields.length; i++) {
    if (fields.at(i).kind != Kind.String) refuse('"fields" must be an array of strings.');
    set.add(fields.at(i).text);
  }
  return set;
}
