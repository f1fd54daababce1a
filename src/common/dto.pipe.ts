import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { type ValidationError, validateSync } from 'class-validator';
import { AppError, type FieldError } from './app-error.js';
import { isDeeperThan, isLargerThan } from './json.js';

type DtoClass<T extends object = object> = new () => T;

/** The application-wide pipe: a body or query typed as a DTO class arrives as a checked instance of it. */
@Injectable()
export class DtoPipe implements PipeTransform {
  transform(value: unknown, { metatype, type }: ArgumentMetadata): unknown {
    if (type === 'custom' || !metatype || NOT_DTOS.has(metatype)) return value;
    return checkedDto(metatype as DtoClass, value);
  }
}

const NOT_DTOS = new Set<unknown>([String, Boolean, Number, Array, Object]);

/**
 * Checks a plain object against the rules of a DTO class. Members the class does not know are refused by name.
 * @throws AppError `invalid` `VALIDATION_FAILED` with one entry per offending field
 */
export function checkedDto<T extends object>(dto: DtoClass<T>, value: unknown): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed([{ field: '', message: 'a JSON object is expected' }]);
  }
  const opaque = opaqueFields(dto).filter((field) => Object.hasOwn(value, field));
  const checked = Object.fromEntries(Object.entries(value).filter(([field]) => !opaque.includes(field)));
  refuseWhatCannotBeCopied(checked);
  const instance = plainToInstance(dto, checked, { exposeDefaultValues: true });
  for (const field of opaque) Object.assign(instance, { [field]: (value as Record<string, unknown>)[field] });
  const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false });
  if (errors.length > 0) throw malformed(errors.flatMap((error) => fieldErrors(error, '')));
  return instance;
}

/** No DTO nests deeper; what does would overflow the stack of the copy. */
const MAX_DEPTH = 32;
/** No DTO has as many; copying takes time with the square of their number, and each may be a mistake to tell. */
const MAX_MEMBERS = 1000;
function refuseWhatCannotBeCopied(value: object): void {
  if (isLargerThan(MAX_MEMBERS, value)) {
    throw malformed([{ field: '', message: `there must be no more than ${MAX_MEMBERS} members` }]);
  }
  if (isDeeperThan(MAX_DEPTH, value)) {
    throw malformed([{ field: '', message: `members must not nest deeper than ${MAX_DEPTH} levels` }]);
  }
  const errors = hostileMembers(value, '');
  if (errors.length > 0) throw malformed(errors);
}

/** Names that every object inherits, which the copy leaves out without a word; halves of characters, at which validators throw. */
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

export const malformed = (errors: FieldError[]): AppError =>
  new AppError('invalid', 'VALIDATION_FAILED', 'The request has mistakes; `errors` says where.', { errors });

const OPAQUE = Symbol('opaque fields');

/**
 * Marks a member that holds any JSON and is handed on as it is. Without the mark it would be copied member by member,
 * which drops keys such as `constructor` and recurses as deep as the sender likes.
 */
export const Opaque = (): PropertyDecorator => (prototype, field) => {
  Reflect.defineMetadata(OPAQUE, [...opaqueFields(prototype.constructor as DtoClass), field], prototype.constructor);
};

const opaqueFields = (dto: DtoClass): string[] => (Reflect.getMetadata(OPAQUE, dto) as string[] | undefined) ?? [];

function fieldErrors(error: ValidationError, parent: string): FieldError[] {
  const field = parent ? `${parent}.${error.property}` : error.property;
  const own = Object.values(error.constraints ?? {}).map((message) => ({ field, message }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, field))];
}
