import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Type } from 'class-transformer';
import { IsArray, IsDefined, IsInt, IsOptional, IsString, Max, Min, ValidateNested } from 'class-validator';
import { AppError, type FieldError } from './app-error.js';
import { DtoPipe, Opaque, checkedDto } from './dto.pipe.js';

class Point {
  @IsInt()
  @Min(0)
  x: number;
}

class Shape {
  @IsString()
  name: string;

  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Max(9)
  size: number = 3;

  @IsOptional()
  @ValidateNested()
  @Type(() => Point)
  centre?: Point;

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Point)
  corners?: Point[];

  @IsOptional()
  @Opaque()
  anything?: unknown;
}

class NamedShape extends Shape {
  @IsDefined()
  @Opaque()
  payload: unknown;
}

const numbered = (length: number): object => Object.fromEntries(Array.from({ length }, (_, index) => [`a${index}`, 0]));

describe('a checked DTO', () => {
  it('is an instance of its class, with defaults and conversions', () => {
    const shape = checkedDto(Shape, { name: 'disc', centre: { x: 1 } });
    expect(shape).toBeInstanceOf(Shape);
    expect(shape.centre).toBeInstanceOf(Point);
    expect(shape.size).toBe(3);
    expect(checkedDto(Shape, { name: 'disc', size: '7' }).size).toBe(7);
  });

  it('tells every mistake at once, by the path of its field', () => {
    const mistakes = mistakesIn(Shape, { size: 10, centre: { x: -1 }, corners: [{ x: 1 }, { x: 'left' }] });
    expect([...new Set(mistakes.map(({ field }) => field))].sort()).toEqual([
      'centre.x',
      'corners.1.x',
      'name',
      'size',
    ]);
    expect(mistakes).toContainEqual({ field: 'centre.x', message: 'x must not be less than 0' });
  });

  it('refuses members it does not know, by name, at every depth', () => {
    const value = { name: 'disc', colour: 'red', centre: { x: 1, y: 2 } };
    expect(
      mistakesIn(Shape, value)
        .map(({ field }) => field)
        .sort(),
    ).toEqual(['centre.y', 'colour']);
  });

  it.each([JSON.parse('{"name":"a","__proto__":{"size":1}}'), { name: 'a', constructor: { name: 'b' } }])(
    'lets no member of the sender’s reach the prototype: %j',
    (value) => {
      let shape: object;
      try {
        shape = checkedDto(Shape, value);
      } catch (error) {
        expect(error).toMatchObject({ kind: 'invalid', code: 'VALIDATION_FAILED' });
        return;
      }
      expect(Object.getPrototypeOf(shape)).toBe(Shape.prototype);
      expect(shape.constructor).toBe(Shape);
      expect(({} as { size?: number }).size).toBeUndefined();
    },
  );

  it.each([
    ['members', numbered(100_000)],
    ['members further in', { name: 'disc', centre: numbered(100_000) }],
    ['elements', { name: 'disc', corners: Array.from({ length: 100_000 }, (_, index) => index) }],
    ['containers', { name: 'disc', corners: Array(100).fill(Array(100).fill({})) }],
  ])('refuses very many %s in a few words, before it copies them one by one', (_, value) => {
    expect(mistakesIn(Shape, value)).toEqual([{ field: '', message: 'there must be no more than 1000 members' }]);
  });

  it.each([null, undefined, 'text', 7, true, [], [{ name: 'disc' }]])('is never made of %j', (value) => {
    expect(mistakesIn(Shape, value)).toEqual([{ field: '', message: 'a JSON object is expected' }]);
  });
});

describe('an opaque member', () => {
  it.each([
    { constructor: 1, toString: 'x', nested: { valueOf: true } },
    JSON.parse('{"__proto__":{"a":1}}'),
    [1, 'two'],
    'text',
    0,
    false,
    null,
  ])('is handed on as it is: %j', (anything) => {
    expect(checkedDto(Shape, { name: 'disc', anything }).anything).toBe(anything);
  });

  it('may nest deeper than anything that copies it could follow', () => {
    let deep: unknown = [];
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    expect(checkedDto(NamedShape, { name: 'disc', payload: deep }).payload).toBe(deep);
  });

  it('still counts as missing when it is', () => {
    expect(mistakesIn(NamedShape, { name: 'disc' }).map(({ field }) => field)).toEqual(['payload']);
  });

  it('is inherited by a DTO that extends another, which itself gains none', () => {
    const anything = { constructor: 'kept' };
    expect(checkedDto(NamedShape, { name: 'disc', payload: 1, anything }).anything).toBe(anything);
    expect(mistakesIn(Shape, { name: 'disc', payload: 1 }).map(({ field }) => field)).toEqual(['payload']);
  });
});

describe('the DTO pipe', () => {
  const pipe = new DtoPipe();

  it('checks bodies and queries that are typed as a class', () => {
    expect(pipe.transform({ name: 'disc' }, { type: 'body', metatype: Shape })).toBeInstanceOf(Shape);
    expect(() => pipe.transform({}, { type: 'query', metatype: Shape })).toThrow(AppError);
  });

  it('leaves plain values and what the application injects itself alone', () => {
    const value = { no: 'DTO' };
    expect(pipe.transform('id', { type: 'param', metatype: String })).toBe('id');
    expect(pipe.transform(value, { type: 'custom', metatype: Shape })).toBe(value);
    expect(pipe.transform(value, { type: 'body', metatype: Object })).toBe(value);
    expect(pipe.transform(value, { type: 'body' })).toBe(value);
  });
});

function mistakesIn(dto: new () => object, value: unknown): FieldError[] {
  try {
    checkedDto(dto, value);
  } catch (error) {
    expect(error).toMatchObject({ kind: 'invalid', code: 'VALIDATION_FAILED' });
    return (error as AppError).errors ?? [];
  }
  return [];
}
