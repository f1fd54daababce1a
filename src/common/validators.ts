import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  isSemVer,
  Matches,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import semver from 'semver';
import { isDecimalAmount, MAX_AMOUNT } from './money.js';

/** A lower-case tag that agents offer and tasks require. */
export const CAPABILITY = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** An agent's name in addresses. A UUID there means its id. */
export const SLUG = /^(?![0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$)[a-z0-9][a-z0-9-]{0,63}$/;

/** A region, as operators and owners name it. */
export const REGION = /^[a-z0-9][a-z0-9-]{0,31}$/;

export const IsRegion = () =>
  Matches(REGION, { message: '$property must be 1 to 32 lower-case letters, digits or "-", such as eu-central' });

/** May be left out, but not be null (`IsOptional` lets null pass every other rule). */
export const Optional = () => ValidateIf((_, value: unknown) => value !== undefined);

/** `true` or `false`, also as text, as a query or a form carries it. */
export const IsFlag = () =>
  applyDecorators(
    Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : (value as unknown))),
    IsBoolean(),
  );

/** semver whose numbers can be incremented: those above 2^53 - 1 have no successor. */
export const IsVersion = () =>
  ValidateBy({
    name: 'isVersion',
    validator: {
      validate: (value: unknown) => isSemVer(value) && semver.valid(value as string) !== null,
      defaultMessage: () =>
        `$property must be a semantic version such as 1.0.0, with numbers up to ${Number.MAX_SAFE_INTEGER}`,
    },
  });

/** An array of at most 32 distinct capability tags. */
export const IsCapabilities = () =>
  applyDecorators(
    IsArray(),
    ArrayMaxSize(32),
    ArrayUnique(),
    Matches(CAPABILITY, {
      each: true,
      message: 'each capability must be 1 to 64 lower-case letters, digits, ".", "_" or "-"',
    }),
  );

/**
 * An amount of money: a number or a decimal string from 0 to `MAX_AMOUNT`, with at most six decimals. Clients that keep
 * amounts as decimals send them as strings.
 * @param nullable null is taken as well
 */
export const IsAmount = (example: number, { nullable = false } = {}) =>
  applyDecorators(
    ApiProperty({ oneOf: [{ type: 'number' }, { type: 'string' }], example, ...(nullable && { nullable }) }),
    ...(nullable ? [ValidateIf((_, value: unknown) => value !== null)] : []),
    ValidateBy({
      name: 'isAmount',
      validator: {
        validate: isDecimalAmount,
        defaultMessage: () => `$property must be an amount from 0 to ${MAX_AMOUNT} with at most six decimals`,
      },
    }),
  );

/**
 * Reads a number from text, for queries and forms, which carry only text. Other text stays as it is, so that the next rule
 * refuses it. JSON bodies do not use this: a string in place of a number is refused there.
 */
export const NumberFromText = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value,
  );

/** Text that a person can see: at least one character that is neither a space nor invisible. */
export const IsNotBlank = () =>
  ValidateBy({
    name: 'isNotBlank',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && /[^\s\p{Cc}\p{Cf}\p{Z}]/u.test(value),
      defaultMessage: () => '$property must not be blank',
    },
  });

/**
 * At most this many code points, as the database counts. class-validator's own rule does not count variation selectors,
 * as in emoji.
 */
export const MaxLength = (max: number) =>
  ValidateBy({
    name: 'maxLength',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && [...value].length <= max,
      defaultMessage: () => `$property must be shorter than or equal to ${max} characters`,
    },
  });

/**
 * Text that a database and a terminal can take: well-formed Unicode without control characters except tab and line
 * breaks.
 */
export const IsPlainText = () =>
  ValidateBy({
    name: 'isPlainText',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' &&
        value.isWellFormed() &&
        // oxlint-disable-next-line no-control-regex
        !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(value),
      defaultMessage: () => '$property must be text without control characters',
    },
  });

/** An instant as RFC 3339 writes it, with its offset; at most in the year 9999. */
export const IsTime = () =>
  ValidateBy({
    name: 'isTime',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && RFC_3339.test(value) && isInstant(value),
      defaultMessage: () => '$property must be a time such as 2026-11-24T09:30:00Z',
    },
  });

/** A time in the future. Use with `IsTime`, which refuses invalid times. */
export const IsInFuture = () =>
  ValidateBy({
    name: 'isInFuture',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && !(Date.parse(value) <= Date.now()),
      defaultMessage: () => '$property must be in the future',
    },
  });

const RFC_3339 = /^[1-9]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;
const END_OF_9999 = Date.UTC(10_000, 0);

/**
 * `Date.parse` moves 30 February into March and 24:00 into the next day. Such a time reads differently when written
 * again.
 */
function isInstant(time: string): boolean {
  const instant = Date.parse(time);
  const local = time.slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  return instant < END_OF_9999 && new Date(`${local}Z`).toISOString().startsWith(local);
}
