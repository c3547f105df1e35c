import type { Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { SchemaBudget } from '../schema-budget.js';

/** Deeper schemas are refused, and those that references multiply. */
const DEEPEST = 64;
const MOST_PARTS = 20_000;
/** Cost of copying a value, in characters. */
const COPIED = 16;

/**
 * A schema whose root has only `type`, `properties` and `required`, as models other than Claude
 * require: references are replaced with their targets.
 * @param budget of all schemas of the request
 * @throws InvalidArgumentError for references to nothing, and for schemas that are too large
 */
export function plainSchema(schema: Fields, path: string, budget = new SchemaBudget()): Fields {
  const { properties = {}, required } = new Inliner(schema, path, budget).of(schema, []) as Fields;
  return { type: 'object', properties, ...(required !== undefined && { required }) };
}

class Inliner {
  private parts = 0;

  constructor(
    private readonly root: Fields,
    private readonly path: string,
    private readonly budget: SchemaBudget,
  ) {}

  /** @param within the references on the way here: one within itself becomes any object */
  of(value: unknown, within: readonly string[], depth = 0): unknown {
    if (typeof value !== 'object' || value === null) {
      this.budget.take(this.path, COPIED);
      this.budget.value(this.path, value);
      return value;
    }
    this.budget.part(this.path);
    this.budget.take(this.path, Object.keys(value).length);
    if (depth > DEEPEST || ++this.parts > MOST_PARTS)
      this.refuse(`must not be nested deeper than ${DEEPEST} levels or have more than ${MOST_PARTS} parts`);
    if (Array.isArray(value)) return value.map((each) => this.of(each, within, depth + 1));
    const { $ref: reference, ...others } = value as Fields;
    if (typeof reference !== 'string') {
      const entries = Object.entries(value).filter(([key]) => depth > 0 || (key !== '$defs' && key !== 'definitions'));
      return Object.fromEntries(entries.map(([key, each]) => [key, this.of(each, within, depth + 1)]));
    }
    if (within.includes(reference)) return { type: 'object' };
    const target = this.of(this.referred(reference), [...within, reference], depth + 1);
    return { ...(target as object), ...(this.of(others, within, depth + 1) as object) };
  }

  private referred(reference: string): unknown {
    this.budget.value(this.path, reference);
    const steps = reference.startsWith('#/') ? reference.slice(2).split('/') : undefined;
    const found = steps?.reduce<unknown>((at, step) => {
      const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
      return typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Fields)[name] : undefined;
    }, this.root);
    if (reference === '#') return this.root;
    return typeof found === 'object' && found !== null ? found : this.refuse('must use $ref only for its own definitions');
  }

  private refuse(rule: string): never {
    throw new InvalidArgumentError(this.path, this.root, rule);
  }
}
