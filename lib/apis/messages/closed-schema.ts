import { isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';

/** A deeper schema is refused. */
const DEEPEST = 64;
/** Keywords that hold one schema, a list of them, or schemas by name. */
const SCHEMAS: ReadonlySet<string> = new Set(['items', 'additionalItems', 'not', 'contains', 'if', 'then', 'else']);
const LISTS: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const BY_NAME: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'patternProperties']);

/**
 * A schema for OpenAI's strict mode, whose objects have no further properties and require all.
 * What it allows, the given schema allows, too.
 * @throws InvalidArgumentError for a schema that is too deep
 */
export function closedSchema(path: string, schema: Fields, depth = 0): Fields {
  if (depth > DEEPEST) throw new InvalidArgumentError(path, NO_VALUE, `must not be deeper than ${DEEPEST} schemas`);
  const closed = (at: string, value: unknown): unknown => (isObject(value) ? closedSchema(at, value, depth + 1) : value);
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    const at = `${path}.${key}`;
    if (SCHEMAS.has(key)) return [key, closed(at, value)];
    if (LISTS.has(key) && Array.isArray(value)) return [key, value.map((each, index) => closed(`${at}[${index}]`, each))];
    if (!BY_NAME.has(key) || !isObject(value)) return [key, value];
    return [key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, closed(`${at}.${name}`, each)]))];
  });
  const { properties } = schema;
  if (schema.type !== 'object' || !isObject(properties)) return Object.fromEntries(entries);
  const own = entries.filter(([key]) => key !== 'additionalProperties' && key !== 'required');
  return Object.fromEntries([...own, ['required', Object.keys(properties)], ['additionalProperties', false]]);
}
