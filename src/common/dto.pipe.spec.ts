import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Type } from 'class-transformer';
import { IsArray, IsDefined, IsInt, IsOptional, IsString, Max, Min, ValidateNested } from 'class-validator';
import { AppError, type FieldError } from './app-error.js';
import { checkedDto, Document, DocumentList, DtoPipe } from './dto.pipe.js';
import { RawJson } from './raw-json.js';
import { IsAmount, IsNotBlank, IsPlainText, NumberFromText } from './validators.js';

class Point {
  @IsInt()
  @Min(0)
  x: number;
}

class Shape {
  @IsString()
  @IsNotBlank()
  @IsPlainText()
  name: string;

  @IsOptional()
  @NumberFromText()
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
  @Document()
  anything?: RawJson;

  @IsOptional()
  @IsArray()
  @DocumentList()
  several?: RawJson[];
}

class Priced {
  @IsAmount(1)
  price: number;
}

class NamedShape extends Shape {
  @IsDefined()
  @Document()
  payload: RawJson;
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

  it('says that a member is missing or has a wrong type, and only then what else is wrong, in the order of the rules', () => {
    expect(mistakesIn(Shape, {})).toEqual([{ field: 'name', message: 'name is required' }]);
    expect(mistakesIn(Shape, { name: 7 })).toEqual([{ field: 'name', message: 'name must be a string' }]);
    expect(mistakesIn(Shape, { name: ' \u200b\t' }).map(({ message }) => message)).toEqual(['name must not be blank']);
    expect(mistakesIn(Shape, { name: ' \u0000' }).map(({ message }) => message)).toEqual([
      'name must not be blank',
      'name must be text without control characters',
    ]);
  });

  it('refuses a string in place of a number, except for money and where a request can carry only text', () => {
    expect(mistakesIn(Point, { x: '1' })).toEqual([{ field: 'x', message: 'x must be an integer number' }]);
    for (const price of [0.5, '0.5']) expect(checkedDto(Priced, { price }).price).toBe(price);
    expect(mistakesIn(Priced, { price: 'half' }).map(({ field }) => field)).toEqual(['price']);
    for (const size of ['', ' 7', '0x7', '1e0', 'seven']) {
      expect(mistakesIn(Shape, { name: 'disc', size }).map(({ field }) => field)).toEqual(['size']);
    }
  });

  it('refuses members it does not know, by name, at every depth', () => {
    const value = { name: 'disc', colour: 'red', centre: { x: 1, y: 2 } };
    expect(
      mistakesIn(Shape, value)
        .map(({ field }) => field)
        .sort(),
    ).toEqual(['centre.y', 'colour']);
  });

  it.each([
    JSON.parse('{"name":"a","__proto__":{"size":1}}'),
    new RawJson('{"name":"a","__proto__":{"size":1}}'),
    { name: 'a', constructor: { name: 'b' } },
  ])('lets no member of the sender’s reach the prototype: %j', (value) => {
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
  });

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

describe('a document', () => {
  const DOCUMENT = '{"b": 9007199254740993, "a":[1.0,-0], "constructor":1, "b":1e999}';

  it('is handed on as the text that came, whatever JavaScript would make of it', () => {
    const shape = checkedDto(Shape, new RawJson(`{"name":"disc","size":"7","anything" : ${DOCUMENT} }`));
    expect(shape).toBeInstanceOf(Shape);
    expect(shape).toMatchObject({ name: 'disc', size: 7 });
    expect(shape.anything?.text).toBe(DOCUMENT);
  });

  it('may be one of a list, each with its own text', () => {
    const shape = checkedDto(Shape, new RawJson(`{"name":"disc","several":[${DOCUMENT}, 1.0 ,[]]}`));
    expect(shape.several?.map(({ text }) => text)).toEqual([DOCUMENT, '1.0', '[]']);
    expect(mistakesIn(Shape, new RawJson('{"name":"disc","several":{"0":1}}'))).toEqual([
      { field: 'several', message: 'several must be an array' },
    ]);
  });

  it('may nest deeper than anything that copies it could follow', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const shape = checkedDto(NamedShape, new RawJson(`{"name":"disc","payload":${deep}}`));
    expect(shape.payload.text).toBe(deep);
  });

  it('still counts as missing when it is', () => {
    expect(mistakesIn(NamedShape, { name: 'disc' }).map(({ field }) => field)).toEqual(['payload']);
  });

  it('is inherited by a DTO that extends another, which itself gains none', () => {
    const shape = checkedDto(NamedShape, { name: 'disc', payload: 1, anything: { constructor: 'kept' } });
    expect(shape.anything?.text).toBe('{"constructor":"kept"}');
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
