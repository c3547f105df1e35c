import { isObject } from '../../common/objects.js';
import { checkDepth, jsonOf, textOf, type PromptContext } from './prompt-context.js';

type Schema = Readonly<Record<string, unknown>>;

/** Where a schema is. */
interface Place {
  readonly indent: number;
  readonly path: string;
  /** Of arrays and alternatives around it in the same property. */
  readonly depth: number;
}

const ANY = 'any';

/**
 * Writes functions as OpenAI shows them to a model: as TypeScript types in a namespace, with
 * descriptions as comments. The layout is that of LiteLLM's token counter. LiteLLM writes `any` for
 * unions, references, tuples and maps; here they are written out, definitions once each.
 */
export class ToolDefinitions {
  private readonly lines: string[] = [];
  /** Whether a tool has parts that are known only to its provider. */
  hasUnseen = false;

  constructor(readonly context: PromptContext) {}

  /** The functions, without the namespace around them. */
  get text(): string {
    return this.lines.join('\n');
  }

  /** Adds a function. @param path names its schema in errors */
  add(name: string, description: unknown, parameters: unknown, path: string): void {
    this.describe(description);
    const properties = isObject(parameters) ? this.properties(parameters, 0, path) : '';
    if (isObject(parameters)) this.context.reads?.note('schema', parameters);
    const type = `type ${this.read(name)} = `;
    if (properties === '') this.lines.push(`${type}() => any;`, '');
    else this.lines.push(`${type}(_: {`, properties, '}) => any;', '');
  }

  /** Adds a comment. */
  describe(description: unknown, indent = ''): void {
    if (typeof description === 'string' && description !== '') this.lines.push(`${indent}// ${this.read(description)}`);
  }

  /** The properties of an object, one in a line. Lines inside nested objects are indented. */
  private properties(schema: Schema, indent: number, path: string): string {
    checkDepth(indent / 2, path);
    const inner = new ToolDefinitions(this.context);
    const required = Array.isArray(schema.required) ? new Set<unknown>(schema.required) : undefined;
    for (const [group, isRequired] of [
      [schema.properties, (name: string) => required?.has(name) === true],
      [schema.$defs ?? schema.definitions, () => true],
    ] as const) {
      if (!isObject(group)) continue;
      this.context.reads?.note('names', group);
      for (const name of Object.keys(group)) inner.addProperty(isRequired(name) ? name : `${name}?`, group[name], indent, path);
    }
    if (isObject(schema.additionalProperties)) inner.addProperty('[key: string]', schema.additionalProperties, indent, path);
    return inner.text;
  }

  private addProperty(name: string, schema: unknown, indent: number, path: string): void {
    const margin = ' '.repeat(indent);
    if (isObject(schema)) this.describe(schema.description, margin);
    this.lines.push(`${margin}${name}: ${this.type(schema, indent, path, 0)},`);
  }

  private type(schema: unknown, indent: number, path: string, depth: number): string {
    checkDepth(depth, path);
    if (!isObject(schema)) return ANY;
    this.context.reads?.note('schema', schema);
    const each = (schemas: unknown): string[] =>
      Array.isArray(schemas) ? schemas.map((inner) => this.type(inner, indent, path, depth + 1)) : [];
    const parts = [...this.ownTypes(schema, indent, path, depth), ...each(schema.allOf)];
    const union = [...each(schema.anyOf), ...each(schema.oneOf)];
    if (union.length > 0) parts.push(union.join(' | '));
    return parts.length === 0 ? ANY : parts.join(' & ');
  }

  /** Of a schema without its alternatives. A repeated type is written once. */
  private ownTypes(schema: Schema, indent: number, path: string, depth: number): string[] {
    if (typeof schema.$ref === 'string') {
      const path = this.read(schema.$ref);
      return [path.slice(path.lastIndexOf('/') + 1)];
    }
    const given = schema.type ?? (isObject(schema.properties) ? 'object' : undefined);
    const types = Array.isArray(given) ? [...new Set<unknown>(given)] : [given];
    const written = types.flatMap((type) => this.ownType(type, schema, { indent, path, depth }) ?? []);
    return written.length === 0 ? [] : [written.join(' | ')];
  }

  private ownType(type: unknown, schema: Schema, { indent, path, depth }: Place): string | undefined {
    switch (type) {
      case 'string':
        return this.values(schema, path) ?? type;
      case 'integer':
      case 'number':
        return this.values(schema, path) ?? 'number';
      case 'boolean':
      case 'null':
        return type;
      case 'array': {
        const inner = (item: unknown): string => this.type(item, indent, path, depth + 1);
        return Array.isArray(schema.prefixItems) ? `[${schema.prefixItems.map(inner).join(', ')}]` : `${inner(schema.items)}[]`;
      }
      case 'object':
        return `{\n${this.properties(schema, indent + 2, path)}\n}`;
      default:
        return this.values(schema, path);
    }
  }

  private values({ enum: values, const: value }: Schema, path: string): string | undefined {
    const all = Array.isArray(values) ? (values as unknown[]) : value === undefined ? undefined : [value];
    const written = (each: unknown): string =>
      typeof each === 'string' ? textOf(each, this.context) : (jsonOf(each, path, this.context) ?? '');
    if (Array.isArray(values)) this.context.reads?.note('whole', values);
    else if (typeof value === 'string') this.context.reads?.text(value);
    else this.context.reads?.note('whole', value);
    return all?.map((each) => `"${written(each)}"`).join(' | ');
  }

  private read(text: string): string {
    this.context.reads?.text(text);
    return textOf(text, this.context);
  }
}
