import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { isObject, type Fields } from '../../common/objects.js';
import { field } from './fields.js';

/** Maximum depth of a schema. */
const DEEPEST = 64;
/** Figures that Google writes as texts. */
const FIGURES = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'] as const;
const KEPT = ['title', 'description', 'enum', 'format', 'pattern', 'minimum', 'maximum', 'default', 'required', 'example'] as const;

/**
 * A schema of Google's as a JSON schema: types in lower case, `nullable` as a type.
 * @throws InvalidArgumentError for a schema that is too deep
 */
export function jsonSchemaOf(path: string, schema: Fields, depth = 0): Fields {
  if (depth > DEEPEST) throw new InvalidArgumentError(path, NO_VALUE, `must not be nested deeper than ${DEEPEST} schemas`);
  const inner = (at: string, value: unknown): unknown => (isObject(value) ? jsonSchemaOf(`${path}.${at}`, value, depth + 1) : value);
  const written: Record<string, unknown> = {};
  const { type, items, properties } = schema;
  const isNullable = schema.nullable === true;
  if (typeof type === 'string' && type !== 'TYPE_UNSPECIFIED') {
    const name = type.toLowerCase();
    written.type = isNullable && name !== 'null' ? [name, 'null'] : name;
  } else if (Array.isArray(type)) written.type = type;
  for (const name of KEPT) if (schema[name] !== undefined) written[name] = schema[name];
  if (isNullable && Array.isArray(written.enum)) written.enum = [...(written.enum as unknown[]), null];
  for (const name of FIGURES) {
    const figure = field(schema, name);
    if (figure !== undefined) written[name] = typeof figure === 'string' ? Number(figure) : figure;
  }
  if (items !== undefined) written.items = inner('items', items);
  if (isObject(properties))
    written.properties = Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(`properties.${name}`, each)]));
  const anyOf = field(schema, 'anyOf');
  if (Array.isArray(anyOf)) written.anyOf = anyOf.map((each: unknown, at) => inner(`anyOf[${at}]`, each));
  return written;
}
