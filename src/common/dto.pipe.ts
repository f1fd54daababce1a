import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { type ValidationError, validateSync } from 'class-validator';
import { AppError, type FieldError } from './app-error.js';
import { isDeeperThan, isLargerThan } from './json.js';
import { RawJson } from './raw-json.js';

type DtoClass<T extends object = object> = new () => T;

/** The application-wide pipe: a body or query typed as a DTO class arrives as a checked instance of it. */
@Injectable()
export class DtoPipe implements PipeTransform {
  transform(value: unknown, { metatype, type }: ArgumentMetadata): unknown {
    if (type === 'custom') return value;
    if (metatype && !NOT_DTOS.has(metatype)) return checkedDto(metatype as DtoClass, value);
    return value instanceof RawJson ? value.parse() : value;
  }
}

const NOT_DTOS = new Set<unknown>([String, Boolean, Number, Array, Object]);

/**
 * Checks an object against the rules of a DTO class. Members the class does not know are refused by name.
 * @param value a plain object, or a `RawJson`. Its members are parsed, except for documents
 * @throws AppError `invalid` `VALIDATION_FAILED` with one entry per offending field
 */
export function checkedDto<T extends object>(dto: DtoClass<T>, value: unknown): T {
  const members = value instanceof RawJson ? value.members() : membersOf(value);
  if (!members) throw malformed([{ field: '', message: 'a JSON object is expected' }]);
  const documents = documentFields(dto);
  if (members.size > MAX_MEMBERS) throw tooManyMembers();
  const plain = new Map<string, unknown>();
  const opaque = new Map<string, unknown>();
  for (const [name, member] of members) {
    const form = documents.get(name);
    if (form) opaque.set(name, asDocument(member, form));
    else plain.set(name, member instanceof RawJson ? member.parse() : member);
  }
  const checked = Object.fromEntries(plain);
  refuseWhatCannotBeCopied(checked);
  const instance = plainToInstance(dto, checked, { exposeDefaultValues: true });
  Object.assign(instance, Object.fromEntries(opaque));
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  if (errors.length > 0) throw malformed(errors.flatMap((error) => fieldErrors(error, '')));
  return instance;
}

const membersOf = (value: unknown): Map<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;

function asDocument(member: unknown, form: DocumentForm): unknown {
  const document = member instanceof RawJson ? member : RawJson.of(member);
  // The member's own rules refuse a value that is not a list.
  return form === 'one' ? document : (document.elements() ?? document.parse());
}

/** No DTO nests deeper. Deeper input would overflow the stack of the copy. */
const MAX_DEPTH = 32;
/** No DTO has as many members. Copying takes quadratic time, and each member may produce an error. */
const MAX_MEMBERS = 1000;
function refuseWhatCannotBeCopied(value: object): void {
  if (isLargerThan(MAX_MEMBERS, value)) throw tooManyMembers();
  if (isDeeperThan(MAX_DEPTH, value)) {
    throw malformed([{ field: '', message: `members must not nest deeper than ${MAX_DEPTH} levels` }]);
  }
  const errors = hostileMembers(value, '');
  if (errors.length > 0) throw malformed(errors);
}

/**
 * Names that every object inherits, which the copy silently drops; and unpaired surrogates, at which validators throw.
 */
function hostileMembers(value: object, parent: string): FieldError[] {
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    const field = parent + name;
    if (name in Object.prototype) return [{ field, message: `property ${name} should not exist` }];
    if (typeof member === 'string' && !member.isWellFormed()) {
      return [{ field, message: `${name} must be well-formed Unicode` }];
    }
    return typeof member === 'object' && member !== null ? hostileMembers(member, `${field}.`) : [];
  });
}

const tooManyMembers = (): AppError =>
  malformed([{ field: '', message: `there must be no more than ${MAX_MEMBERS} members` }]);

export const malformed = (errors: FieldError[]): AppError =>
  new AppError('invalid', 'VALIDATION_FAILED', 'The request has mistakes; `errors` says where.', { errors });

type DocumentForm = 'one' | 'list';
const DOCUMENTS = Symbol('documents');

/**
 * Marks a member that holds any JSON and is passed on unparsed: it arrives as a `RawJson`. Without the mark it is copied
 * member by member, which changes numbers, drops keys such as `constructor` and recurses as deep as the input.
 */
export const Document = (): PropertyDecorator => documentOf('one');

/** Marks a list of documents, which arrives as an array of `RawJson`. */
export const DocumentList = (): PropertyDecorator => documentOf('list');

const documentOf =
  (form: DocumentForm): PropertyDecorator =>
  (prototype, field) => {
    const dto = prototype.constructor as DtoClass;
    Reflect.defineMetadata(DOCUMENTS, new Map(documentFields(dto)).set(String(field), form), dto);
  };

const documentFields = (dto: DtoClass): Map<string, DocumentForm> =>
  (Reflect.getMetadata(DOCUMENTS, dto) as Map<string, DocumentForm> | undefined) ?? new Map();

function fieldErrors(error: ValidationError, parent: string): FieldError[] {
  const field = parent ? `${parent}.${error.property}` : error.property;
  const own = messagesOf(error).map((message) => ({ field, message }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, field))];
}

/** Rules about the type of a member. When one of them fails, the other rules have nothing to say. */
const TYPE_RULES = ['isString', 'isInt', 'isNumber', 'isBoolean', 'isArray', 'isObject'];

/** @returns what is wrong with a member, in the order of its rules; a member that is missing or has a wrong type gets one message */
function messagesOf({ property, value, constraints = {} }: ValidationError): string[] {
  const rules = Object.entries(constraints).reverse(); // decorators apply from the last to the first
  if (value === undefined && rules.length > 0) return [`${property} is required`];
  const type = rules.find(([rule]) => TYPE_RULES.includes(rule));
  return (type ? [type] : rules).map(([, message]) => message);
}
