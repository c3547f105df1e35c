import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  integerWords,
  joinPath,
  rangeWords,
  refuseOption,
  type Range,
  type Refuse,
} from './options.js';

/**
 * One option: its type, check, default and environment variable. The comment above it is its
 * docstring in editors and its row in docs/, written by `UPDATE_DOCS=1 npx jest
 * test/project/option-tables`.
 *
 * `In` is what apps pass, `Out` what the code reads.
 */
export interface Option<In = unknown, Out = unknown> {
  /** The type in the docs. */
  readonly type: string;
  /** Value that the code uses if the app passes none. */
  readonly default?: Out;
  readonly isRequired?: boolean;
  /** The variable that `readVariables` reads. */
  readonly env?: string;
  /** @throws what `refuse` makes. */
  readonly check: (path: string, value: unknown, refuse: Refuse) => Out;
  /** Carries `In` for the compiler; never set. */
  readonly input?: In;
}

/** The options of an object, by name. */
export type Fields = Readonly<Record<string, Option>>;

/** Marks an option without a default. */
export interface RequiredOption {
  readonly isRequired: true;
}
type InputOf<O> = O extends Option<infer In> ? In : never;
type OutputOf<O> = O extends Option<unknown, infer Out> ? Out : never;

/** The object that an app passes, with the comments of its fields. */
export type OptionsOf<F extends Fields> = { readonly [K in keyof F as F[K] extends RequiredOption ? never : K]?: InputOf<F[K]> } & {
  readonly [K in keyof F as F[K] extends RequiredOption ? K : never]: InputOf<F[K]>;
};

/** The object that the code reads: checked, with defaults. */
export type Resolved<F extends Fields> = { readonly [K in keyof F]: OutputOf<F[K]> };

interface Spec<D> {
  readonly default?: D;
  readonly env?: string;
}

export function integer<D extends number | undefined = undefined>(spec: Spec<D> & Range = {}): Option<number, number | D> {
  return {
    ...spec,
    type: integerWords(spec).replace(/^an? /, ''),
    check: (path, value, refuse) => checkInteger(path, value, spec, refuse),
  };
}

/** An integer whose 0 means no limit: the code reads `Infinity`. */
export function limit(spec: { readonly default: number; readonly max: number }): Option<number, number> {
  const { check, ...option } = integer({ min: 0, ...spec });
  return { ...option, check: (path, value, refuse) => check(path, value, refuse) || Infinity };
}

export function number<D extends number | undefined = undefined>(spec: Spec<D> & Range = {}): Option<number, number | D> {
  return { ...spec, type: `number${rangeWords(spec)}`, check: (path, value, refuse) => checkNumber(path, value, spec, refuse) };
}

export function boolean<D extends boolean | undefined = undefined>(spec: Spec<D> = {}): Option<boolean, boolean | D> {
  return { ...spec, type: 'boolean', check: checkBoolean };
}

/** A string with at least one character. */
export function string<D extends string | null | undefined = undefined>(spec: Spec<D> = {}): Option<string, string | NoInfer<D>> {
  return { ...spec, type: 'string', check: checkString };
}

export function oneOf<const C extends string, D extends C | undefined = undefined>(
  choices: readonly C[],
  spec: Spec<D> = {},
): Option<C, C | D> {
  const type = choices.map((choice) => `\`'${choice}'\``).join(', ');
  return { ...spec, type, check: (path, value, refuse) => checkOneOf(path, value, choices, refuse) };
}

export function callback<F extends (...args: never[]) => unknown>(): Option<F, F | undefined> {
  return { type: 'function', check: (path, value, refuse) => checkFunction<F>(path, value, refuse) };
}

/** An object with these methods, such as a store; `optional` ones can be absent. */
export function instance<T extends object>(
  type: string,
  methods: readonly string[],
  optional: readonly string[] = [],
): Option<T, T | undefined> {
  const check = (path: string, value: unknown, refuse: Refuse): T => {
    const given = checkObject(path, value, refuse);
    for (const method of [...methods, ...optional.filter((name) => given[name] !== undefined)])
      checkFunction(joinPath(path, method), given[method], refuse);
    return value as T;
  };
  return { type, check };
}

export function list<In, Out>(
  entry: Option<In, Out>,
  spec: { readonly default: readonly Exclude<Out, undefined>[] },
): Option<readonly In[], readonly Exclude<Out, undefined>[]> {
  const check = (path: string, value: unknown, refuse: Refuse): readonly Exclude<Out, undefined>[] =>
    checkArray(path, value, (at, each) => entry.check(at, each, refuse) as Exclude<Out, undefined>, refuse);
  return { ...spec, type: `list of ${entry.type}`, check };
}

/** Options of their own; without any, their defaults. `In` is their interface. */
export function group<In extends OptionsOf<F>, F extends Fields>(fields: F): Option<In, Resolved<F>> {
  return {
    type: 'object',
    get default() {
      return resolveOptions(fields, '', {});
    },
    check: (path, value, refuse) => resolveOptions(fields, path, value, { refuse }),
  };
}

/** Options of something that only exists if the app passes them. */
export function optionalGroup<In extends OptionsOf<F>, F extends Fields>(fields: F): Option<In, Resolved<F> | undefined> {
  return { type: 'object', check: (path, value, refuse) => resolveOptions(fields, path, value, { refuse }) };
}

type Check<Out> = (path: string, value: unknown, refuse: Refuse) => Out;

/** An option with a check of its own. */
export function custom<In, Out = In>(type: string, check: Check<Out>): Option<In, Out | undefined>;
export function custom<In, Out = In>(type: string, check: Check<Out>, byDefault: Out): Option<In, Out>;
export function custom<In, Out>(type: string, check: Check<Out>, byDefault?: Out): Option<In, Out> {
  return { type, default: byDefault, check };
}

/** An option that the app has to set. */
export function required<In, Out>(option: Option<In, Out>): Option<In, Exclude<Out, undefined>> & RequiredOption {
  return { ...(option as Option<In, Exclude<Out, undefined>>), isRequired: true };
}

/**
 * Checks the options of an app and completes them with their defaults.
 *
 * @param over values that take precedence, such as those of the environment
 * @param under values instead of the defaults, such as those of a file
 * @param paths where values were written, if not in the options
 * @throws what `refuse` makes, naming the option (`metrics.prefix`).
 */
export function resolveOptions<F extends Fields>(
  fields: F,
  path: string,
  given: unknown = {},
  { refuse = refuseOption, over = {}, under = {}, paths }: ResolveContext = {},
): Resolved<F> {
  const input = checkObject(path, given, refuse);
  checkKnownKeys(path, input, Object.keys(fields), refuse);
  const entries = Object.entries(fields).map(([name, option]) => {
    const value = over[name] ?? (input[name] === undefined ? under[name] : input[name]);
    if (value === undefined && option.isRequired !== true) return [name, option.default];
    return [name, option.check(paths?.get(name) ?? joinPath(path, name), value, refuse)];
  });
  return Object.fromEntries(entries) as Resolved<F>;
}

export interface ResolveContext {
  readonly refuse?: Refuse;
  readonly over?: Readonly<Record<string, unknown>>;
  readonly under?: Readonly<Record<string, unknown>>;
  readonly paths?: ReadonlyMap<string, string>;
}

/**
 * The options that variables of the environment set.
 * @throws InvalidConfigurationError naming the variable.
 */
export function readVariables<F extends Fields>(fields: F, env: Readonly<Record<string, string | undefined>>): Partial<Resolved<F>> {
  const entries = Object.entries(fields).flatMap(([name, { env: variable, type, check }]) => {
    const text = variable === undefined ? undefined : env[variable];
    return text === undefined ? [] : [[name, check(variable!, valueOf(text, type), refuseOption)]];
  });
  return Object.fromEntries(entries) as Partial<Resolved<F>>;
}

/** A text that is not a value of the type stays as it is, for the error. */
function valueOf(text: string, type: string): unknown {
  if (type === 'boolean') return SWITCHES.get(text.trim().toLowerCase()) ?? text;
  return type.includes('integer') && /^\s*\d+\s*$/.test(text) && Number(text) > 0 ? Number(text) : text;
}

const SWITCHES = new Map([
  ['true', true],
  ['enabled', true],
  ['false', false],
  ['disabled', false],
]);
