import { fieldsOf, isObject, type Fields } from '../../common/objects.js';
import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';

/** Deeper schemas are refused. */
const DEEPEST = 64;
const PATH = 'response_format.json_schema.schema';

/** Limits that Anthropic's grammars do not have: they become words for the model. */
const LIMITS: ReadonlySet<string> = new Set(
  `minItems maxItems uniqueItems contains minContains maxContains prefixItems minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
  minLength maxLength minProperties maxProperties patternProperties propertyNames dependentRequired dependentSchemas unevaluatedProperties
  if then else not`.split(/\s+/),
);
const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);
/** Keywords whose value is a schema, several by name, or a list of them. */
const OF_ONE = new Set(['items']);
const BY_NAME = new Set(['properties', '$defs', 'definitions']);
const LISTED = new Set(['anyOf', 'oneOf', 'allOf']);

/**
 * A JSON schema as `output_config.format` takes it: limits stand in descriptions, `oneOf` is
 * `anyOf`, and objects have no other properties.
 * @throws InvalidArgumentError for a schema that is nested too deep
 */
export function outputSchema(schema: Fields, depth = 0): Fields {
  checkDepth(depth);
  const written: Record<string, unknown> = {};
  const limits: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (isLimit(key, value)) limits.push(`${key}: ${JSON.stringify(value)}`);
    else if (key !== '$schema') set(written, key === 'oneOf' ? 'anyOf' : key, translated(key, value, depth + 1));
  }
  if (limits.length > 0) {
    const { description } = schema;
    const before = typeof description === 'string' && description !== '' ? `${description}\n\n` : '';
    written.description = `${before}(${limits.join(', ')})`;
  }
  if (isOfObjects(schema)) written.additionalProperties = false;
  return written;
}

/** Whether objects in a schema may have properties that it does not name: a map, any object. */
export function hasOpenObject(schema: Fields, depth = 0): boolean {
  checkDepth(depth);
  const { additionalProperties: others } = schema;
  if (others === true || isObject(others)) return true;
  return inner(schema).some((each) => hasOpenObject(each, depth + 1));
}

function checkDepth(depth: number): void {
  if (depth > DEEPEST) throw new InvalidArgumentError(PATH, NO_VALUE, `must not be nested deeper than ${DEEPEST} levels`);
}

function inner(schema: Fields): Fields[] {
  return Object.entries(schema).flatMap(([key, value]) => {
    if (OF_ONE.has(key)) return isObject(value) ? [value] : [];
    if (BY_NAME.has(key)) return Object.values(fieldsOf(value)).filter(isObject);
    return LISTED.has(key) && Array.isArray(value) ? (value as readonly unknown[]).filter(isObject) : [];
  });
}

function translated(key: string, value: unknown, depth: number): unknown {
  const one = (schema: unknown): unknown => (isObject(schema) ? outputSchema(schema, depth) : schema);
  if (OF_ONE.has(key)) return one(value);
  if (LISTED.has(key) && Array.isArray(value)) return value.map(one);
  if (!BY_NAME.has(key) || !isObject(value)) return value;
  const named: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(value)) set(named, name, one(schema));
  return named;
}

function isLimit(key: string, value: unknown): boolean {
  if (key === 'minItems') return value !== 0 && value !== 1;
  if (key === 'format') return typeof value !== 'string' || !FORMATS.has(value);
  return LIMITS.has(key) && value !== false;
}

function isOfObjects({ type, properties }: Fields): boolean {
  return type === 'object' || (Array.isArray(type) && type.includes('object')) || (type === undefined && isObject(properties));
}

/** A property may have any name: `__proto__` is one, too. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}
