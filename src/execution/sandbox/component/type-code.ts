import type { TypeDefinition, ValueType } from '../../../common/component/definitions.js';
import { enumType, flagsType, handleType, recordType, variantType } from './compound-types.js';
import { unlinkable } from './faults.js';
import type { ResourceType } from './resources.js';
import { listType, PRIMITIVE_TYPES } from './scalar-types.js';
import { describeParts, type ValueTypeCode } from './value-type.js';

export interface FunctionType {
  kind: 'func';
  params: ValueTypeCode[];
  result?: ValueTypeCode;
  describe(): string;
}

/** The type of an instance, with the type spaces around it, which its aliases refer to. */
export interface InstanceType {
  kind: 'instance' | 'component';
  declarations: Extract<TypeDefinition, { kind: 'instance' | 'component' }>['declarations'];
  outer: readonly AnyType[][];
}

/** What a type index may stand for. */
export type AnyType = { kind: 'value'; type: ValueTypeCode } | FunctionType | InstanceType | ResourceType;

/** @param types the type space around the definition @param outer that space and those around it */
export function compileType(definition: TypeDefinition, types: AnyType[], outer: readonly AnyType[][]): AnyType {
  const value = (type: ValueType): ValueTypeCode => valueType(type, types);
  const optional = (type: ValueType | undefined): ValueTypeCode | undefined =>
    type === undefined ? undefined : value(type);
  switch (definition.kind) {
    case 'instance':
    case 'component':
      return { kind: definition.kind, declarations: definition.declarations, outer };
    case 'resource':
      return unlinkable('a resource is declared where it cannot be');
    case 'func':
      return functionType(
        definition.params.map(({ type }) => value(type)),
        optional(definition.result),
      );
    case 'own':
    case 'borrow':
      return valueOf(handleType(definition.kind, resourceType(definition.resource, types)));
    case 'primitive':
      return valueOf(value(definition.type));
    case 'record': {
      const fields = definition.fields.map(({ type }) => value(type));
      return valueOf(
        recordType(
          fields,
          definition.fields.map(({ label }) => label),
        ),
      );
    }
    case 'tuple':
      return valueOf(recordType(definition.elements.map(value)));
    case 'list':
      return valueOf(listType(value(definition.element)));
    case 'enum':
      return valueOf(enumType(definition.labels));
    case 'flags':
      return valueOf(flagsType(definition.labels));
    case 'variant': {
      const cases = definition.cases.map(({ type }) => optional(type));
      const texts = (): string[] =>
        definition.cases.map(({ label }, index) => (cases[index] ? `${label}(${cases[index].describe()})` : label));
      return valueOf(variantType('variant', cases, () => describeParts('variant', '{', texts(), '}')));
    }
    case 'option': {
      const some = value(definition.some);
      return valueOf(
        variantType('option', [undefined, some], () => describeParts('option', '<', [some.describe()], '>')),
      );
    }
    case 'result': {
      const [ok, err] = [optional(definition.ok), optional(definition.err)];
      const texts = (): string[] => [ok, err].map((one) => one?.describe() ?? '_');
      return valueOf(variantType('result', [ok, err], () => describeParts('result', '<', texts(), '>')));
    }
  }
}

const valueOf = (type: ValueTypeCode): AnyType => ({ kind: 'value', type });

export function functionType(params: ValueTypeCode[], result?: ValueTypeCode): FunctionType {
  const describe = (): string => {
    const text = describeParts(
      '',
      '(',
      params.map((param) => param.describe()),
      ')',
    );
    return result ? `${text} -> ${result.describe()}` : text;
  };
  return { kind: 'func', params, result, describe };
}

function valueType(type: ValueType, types: AnyType[]): ValueTypeCode {
  if (typeof type === 'string') return PRIMITIVE_TYPES[type];
  const found = types[type];
  return found?.kind === 'value' ? found.type : unlinkable(`type ${type} is no type of values`);
}

export function resourceType(index: number, types: AnyType[]): ResourceType {
  const found = types[index];
  return found?.kind === 'resource' ? found : unlinkable(`type ${index} is no resource`);
}
