import { fieldsOf, type Fields, listOf } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { SchemaBudget } from '../schema-budget.js';

/** A schema nests no deeper, and has no more parts once its references are copied in. */
const DEEPEST = 64;
const MOST_PARTS = 20_000;
/** Google's bound of all values of `enum` in a request. */
const LONGEST_ENUMS = 2000;
/** JSON schema has seven. */
const MOST_TYPES = 7;
/** Keywords that Google's schemas share with JSON schema, besides those with rules of their own. */
const KEPT = new Set(
  `title description nullable default minItems maxItems minProperties maxProperties minimum maximum minLength maxLength pattern example
  propertyOrdering`.split(/\s+/),
);
const FORMATS = new Set(['enum', 'date-time']);

/** How a schema is to be written. */
export interface SchemaRules {
  /** Whether the model takes `enum` of whole numbers (as strings). */
  readonly integerEnums: boolean;
  /** Whether properties are answered in the schema's order. */
  readonly ordered: boolean;
}

/**
 * Writes a JSON schema in Google's older subset, as LiteLLM does: references copied in (one within
 * itself becomes any object), `null` as `nullable`, `oneOf` as `anyOf`, `allOf` merged, `enum` of
 * strings, no `additionalProperties`, no object with empty properties.
 * @param budget of all schemas of the request
 * @throws InvalidArgumentError for an invalid schema, or one that is too deep or too large
 */
export function googleSchema(schema: unknown, path: string, rules: SchemaRules, budget = new SchemaBudget()): Fields {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    throw new InvalidArgumentError(path, schema, 'must be a JSON schema');
  const writer = new SchemaWriter(schema as Fields, path, rules, budget);
  const written = writer.write();
  if (!rules.integerEnums || writer.enumLength <= LONGEST_ENUMS) return written;
  return new SchemaWriter(schema as Fields, path, { ...rules, integerEnums: false }, budget).write();
}

/** Where the writer is: how deep, and within which references. */
interface Place {
  readonly depth: number;
  readonly references: readonly string[];
}

class SchemaWriter {
  /** Characters of all values of `enum`. */
  enumLength = 0;
  private parts = 0;

  constructor(
    private readonly root: Fields,
    private readonly path: string,
    private readonly rules: SchemaRules,
    private readonly budget: SchemaBudget,
  ) {}

  write(): Fields {
    return this.part(this.root, { depth: 0, references: [] });
  }

  private part(given: unknown, { depth, references }: Place): Fields {
    if (depth > DEEPEST) throw new InvalidArgumentError(this.path, depth, `must not be nested deeper than ${DEEPEST} levels`);
    if (++this.parts > MOST_PARTS)
      throw new InvalidArgumentError(this.path, this.parts, `must have at most ${MOST_PARTS} parts after its references are resolved`);
    this.budget.part(this.path);
    const schema = fieldsOf(given);
    this.budget.take(this.path, Object.keys(schema).length);
    const place = { depth: depth + 1, references };
    if (typeof schema.$ref === 'string') return this.referenced(schema, schema.$ref, place);
    const all = listOf(schema.allOf);
    if (all.length > 0) return this.part(this.merged(schema, all), place);
    const types = listOf(schema.type);
    if (types.length > 0) return this.ofTypes(schema, types, place);
    const choices = [schema.anyOf, schema.oneOf].find((list) => listOf(list).length > 0);
    // Choices next to properties only refine them.
    const isObject = Object.keys(fieldsOf(schema.properties)).length > 0;
    return choices === undefined || isObject ? this.plain(schema, place) : this.choice(schema, listOf(choices), place);
  }

  private referenced(schema: Fields, reference: string, { depth, references }: Place): Fields {
    const siblings = withoutReference(schema);
    if (references.includes(reference)) return { type: 'object', ...descriptionIn(siblings) };
    return this.part({ ...this.target(reference), ...siblings }, { depth, references: [...references, reference] });
  }

  /** @param reference `#/$defs/Node` */
  private target(reference: string): Fields {
    this.budget.value(this.path, reference);
    const steps = reference.startsWith('#') ? reference.slice(1).split('/').slice(1) : undefined;
    const found = steps
      ?.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
      .reduce<unknown>((value, step) => {
        const fields = (typeof value === 'object' && value !== null ? value : {}) as Fields;
        return Object.hasOwn(fields, step) ? fields[step] : undefined;
      }, this.root);
    if (typeof found === 'object' && found !== null) return fieldsOf(found);
    throw new InvalidArgumentError(this.path, reference, 'must use $ref only for its own definitions');
  }

  /** `allOf` as one schema: Google has none. */
  private merged({ allOf: _, ...schema }: Fields, all: readonly unknown[]): Fields {
    const parts = all.map((each) => {
      const part = fieldsOf(each);
      return typeof part.$ref === 'string' ? { ...this.target(part.$ref), ...withoutReference(part) } : part;
    });
    parts.push(schema);
    const properties = parts.flatMap((each) => Object.entries(fieldsOf(each.properties)));
    const required = parts.flatMap((each) => listOf(each.required));
    return {
      ...Object.assign({}, ...parts),
      ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
      ...(required.length > 0 && { required }),
    } as Fields;
  }

  private ofTypes({ type: _, ...schema }: Fields, types: readonly unknown[], place: Place): Fields {
    if (types.length === 1) return this.plain({ ...schema, type: types[0] }, place);
    if (types.length > MOST_TYPES)
      throw new InvalidArgumentError(this.path, types.length, `must have at most ${MOST_TYPES} types in one schema`);
    const choices = types.map((type) => (type === 'null' ? { type } : forType(schema, type)));
    return this.choice(descriptionIn(schema), choices, place);
  }

  /** Beside `anyOf` nothing else may stand: titles and descriptions go into each choice. */
  private choice(schema: Fields, choices: readonly unknown[], place: Place): Fields {
    const others = choices.filter((each) => fieldsOf(each).type !== 'null');
    const nullable = others.length < choices.length && { nullable: true };
    const description = descriptionIn(schema);
    const anyOf = (others.length === 0 ? [{ type: 'string' }] : others).map((each) => {
      const written = this.part(each, place);
      return { ...written, ...nullable, ...(this.kept(description) as Fields) };
    });
    return { anyOf };
  }

  private plain(schema: Fields, place: Place): Fields {
    const properties = Object.entries(fieldsOf(schema.properties));
    const values = schema.const === undefined ? listOf(schema.enum) : [schema.const];
    this.budget.value(this.path, values);
    this.budget.value(this.path, schema.required);
    const stated = typeof schema.type === 'string' ? schema.type : undefined;
    const guessed = values.some((value) => typeof value === 'string') ? 'string' : 'object';
    const type = properties.length > 0 ? 'object' : (stated ?? guessed);
    const allowed = this.allowed(type.toLowerCase(), values);
    const written: Record<string, unknown> = { type };
    for (const [name, value] of Object.entries(schema)) if (KEPT.has(name)) written[name] = this.kept(value);
    if (typeof schema.format === 'string' && FORMATS.has(schema.format)) written.format = schema.format;
    if (allowed !== undefined) written.enum = allowed;
    if (values.includes(null)) written.nullable = true;
    if (type.toLowerCase() === 'array') written.items = this.items(schema, place);
    if (properties.length === 0) return written;
    written.properties = Object.fromEntries(properties.map(([name, each]) => [name, this.part(each, place)]));
    const names = new Set<unknown>(properties.map(([name]) => name));
    const required = listOf(schema.required).filter((name) => names.has(name));
    if (required.length > 0) written.required = required;
    if (this.rules.ordered) written.propertyOrdering ??= [...names];
    return written;
  }

  private kept(value: unknown): unknown {
    this.budget.value(this.path, value);
    return value;
  }

  private items({ items, prefixItems }: Fields, place: Place): Fields {
    const list = [items, prefixItems].find((each) => Array.isArray(each) && each.length > 0);
    if (list !== undefined) return this.choice({}, listOf(list), place);
    return this.part(items, place);
  }

  /** The values that Google accepts; `undefined` if `enum` must be omitted. */
  private allowed(type: string, values: readonly unknown[]): readonly string[] | undefined {
    const whole = type === 'integer' && this.rules.integerEnums && values.every((value) => value === null || Number.isSafeInteger(value));
    if (type !== 'string' && !whole) return undefined;
    const allowed = values.filter((value) => (typeof value === 'string' && value !== '') || (whole && value !== null)).map(String);
    this.enumLength += allowed.reduce((sum, value) => sum + value.length, 0);
    return allowed.length === 0 ? undefined : allowed;
  }
}

function withoutReference({ $ref: _, ...others }: Fields): Fields {
  return others;
}

const OF_CONTAINERS = new Set(['properties', 'required', 'items', 'minItems', 'maxItems', 'minProperties', 'maxProperties']);

/** The part of a schema of several types that concerns one of them. */
function forType(schema: Fields, type: unknown): Fields {
  const isContainer = type === 'object' || type === 'array';
  return { ...Object.fromEntries(Object.entries(schema).filter(([name]) => OF_CONTAINERS.has(name) === isContainer)), type };
}

function descriptionIn({ title, description }: Fields): Fields {
  return { ...(title !== undefined && { title }), ...(description !== undefined && { description }) };
}
