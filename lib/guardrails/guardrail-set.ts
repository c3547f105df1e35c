import { InvalidConfigurationError } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import { fieldsOf, isObject, listOf, type Fields } from '../common/objects.js';
import { readVariables, resolveOptions } from '../common/option.js';
import { joinPath } from '../common/options.js';
import { CallDeniedError } from '../common/http-errors.js';
import type { HookedCall } from '../calls/hooks/call-hook.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { tagsIn } from '../providers/own-fields.js';
import type { Deployment } from '../router/deployments/deployment.js';
import { BUILT_IN_GUARDRAILS } from './built-in-guardrails.js';
import type { Guardrail, GuardrailMode } from './guardrail.js';
import type { GuardrailParts, ResolvedEntry } from './guardrail-kind.js';
import {
  allModesOf,
  checkEntries,
  checkTypedParams,
  isGuardrail,
  refuseParam,
  type CheckedEntry,
  type GuardrailClass,
} from './guardrails.options.js';

/** A guardrail of a configuration version, ready to run. */
export interface ConfiguredGuardrail {
  readonly name: string;
  /** Its type; of an app's own one, the class. */
  readonly kind: string;
  readonly entry: CheckedEntry;
  readonly guardrail: Guardrail;
  readonly modes: readonly GuardrailMode[];
}

/** A guardrail that applies to a call. */
export interface SelectedGuardrail {
  readonly of: ConfiguredGuardrail;
  /** Its modes in this call. */
  readonly modes: ReadonlySet<GuardrailMode>;
  readonly extra: Fields;
}

/** Dependencies of a set. */
export interface GuardrailSetContext {
  readonly log: LogSink;
  /** Variables that parameters have as their defaults. */
  readonly env: Environment;
  readonly parts: GuardrailParts;
  /** Finds the provider of an app's class. */
  readonly instanceOf: (type: GuardrailClass) => unknown;
}

/** Entries, and where they are written. */
export interface GuardrailSource {
  readonly path: string;
  readonly entries: unknown;
}

/** How a model is routed, for guardrails of deployments. */
export interface GuardedRouting {
  readonly deployments: () => readonly Deployment[];
  /** The group of a requested name. */
  readonly groupOf: (model: string) => string;
  /** Whether calls can go to other groups. */
  readonly hasFallbacks: () => boolean;
}

const NOT_FOUND = 'guardrail_not_found';
const MOST_NAMES = 100;

/** The guardrails of one configuration version, in the order in which they run. */
export class GuardrailSet {
  private readonly byName = new Map<string, ConfiguredGuardrail[]>();
  private readonly defaults: readonly ConfiguredGuardrail[];

  private constructor(readonly all: readonly ConfiguredGuardrail[]) {
    for (const each of all) this.byName.set(each.name, [...(this.byName.get(each.name) ?? []), each]);
    this.defaults = all.filter(({ entry }) => entry.params.default_on);
  }

  /**
   * Checks entries completely and opens their guardrails.
   * @throws InvalidConfigurationError naming path, value and rule.
   */
  static open(sources: readonly GuardrailSource[], context: GuardrailSetContext): GuardrailSet {
    const entries = sources.flatMap(({ path, entries: list }) => checkEntries(path, list ?? [], context.log));
    const opened = entries.map((entry) => open(entry, context));
    checkDuplicates(opened);
    // A stable sort: equal ones stay in the order of the list.
    return new GuardrailSet([...opened].sort((a, b) => a.entry.params.order - b.entry.params.order));
  }

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  find(name: string): ConfiguredGuardrail | undefined {
    return this.byName.get(name)?.[0];
  }

  /**
   * The guardrails that apply to a call, in their order.
   * @throws CallDeniedError (400) for a name that is not configured: its client would rely on it.
   */
  select(
    { body, principal, model }: Pick<HookedCall, 'body' | 'principal' | 'model'>,
    routing: GuardedRouting,
  ): readonly SelectedGuardrail[] {
    const key = principal?.metadata ?? {};
    const team = principal?.teamMetadata ?? {};
    const named = new Map<string, Fields>();
    const add = (list: unknown, where: string): void => {
      for (const [name, extra] of namesIn(list, where)) {
        if (!this.has(name)) throw new CallDeniedError(`${where}: there is no guardrail with this name.`, NOT_FOUND);
        // Keys and teams come first: a client cannot replace their parameters.
        named.set(name, { ...extra, ...named.get(name) });
      }
    };
    add(key.guardrails, "The API key's metadata.guardrails");
    add(team.guardrails, "The team's metadata.guardrails");
    add(body.guardrails, 'guardrails');
    for (const field of ['metadata', 'litellm_metadata']) add(fieldsOf(body[field]).guardrails, `${field}.guardrails`);
    add(this.namesOfDeployments(model, body, routing), 'The model');
    const isOff = key.disable_global_guardrails === true || team.disable_global_guardrails === true;
    const optedOut = new Set([...listOf(key.opted_out_global_guardrails), ...listOf(team.opted_out_global_guardrails)]);
    const applies = (each: ConfiguredGuardrail): boolean =>
      named.has(each.name) || (!isOff && this.defaults.includes(each) && !optedOut.has(each.name));
    const picked = new Map([...this.byName].map(([name, same]) => [name, same[Math.floor(Math.random() * same.length)]]));
    const tags = [...(tagsIn(body.metadata) ?? []), ...listOf(body.tags), ...(principal?.tags ?? [])];
    return this.all.flatMap((each) => {
      if (picked.get(each.name) !== each) return [];
      const modes = modesFor(each, tags);
      // As in LiteLLM: those for logs run on every call.
      const own = applies(each) ? modes : modes.filter((mode) => mode === 'logging_only');
      const more = own.includes('pre_call') ? (each.guardrail.abilities.alsoIn ?? []) : [];
      return own.length === 0 ? [] : [{ of: each, modes: new Set([...own, ...more]), extra: named.get(each.name) ?? {} }];
    });
  }

  /** With fallbacks: the guardrails of all deployments, because the prompt is checked once. */
  private namesOfDeployments(model: string, body: Fields, { deployments, groupOf, hasFallbacks }: GuardedRouting): readonly string[] {
    const guarded = deployments().filter(({ params }) => Array.isArray(params.guardrails));
    if (guarded.length === 0) return [];
    const group = groupOf(model);
    const isOpen = body.fallbacks !== undefined || hasFallbacks();
    const reached = guarded.filter(({ modelName, id }) => isOpen || modelName === group || id === model || modelName.includes('*'));
    return reached.flatMap(({ params }) => params.guardrails as readonly string[]);
  }

  /** Closes the guardrails. Calls that use them may still run. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(async ({ guardrail }) => guardrail.close?.()));
  }
}

function open(entry: CheckedEntry, { parts, instanceOf, log, env }: GuardrailSetContext): ConfiguredGuardrail {
  const { path, name, params, typed } = entry;
  const modes = allModesOf(params.mode);
  const { guardrail: given } = params;
  const at = joinPath(path, 'guardrail');
  let kind: string;
  let guardrail: Guardrail;
  if (typeof given === 'string') {
    kind = given;
    const known = Object.keys(BUILT_IN_GUARDRAILS);
    if (!Object.hasOwn(BUILT_IN_GUARDRAILS, given)) {
      const others = 'other services can be called with generic_guardrail_api, and own classes in the option guardrails';
      throw refuseParam(at, given, `must be one of ${known.join(', ')}; ${others}`);
    }
    const type = BUILT_IN_GUARDRAILS[given]();
    for (const mode of modes)
      if (!type.modes.includes(mode))
        throw refuseParam(joinPath(path, 'mode'), mode, `must be one of ${type.modes.join(', ')} for ${given}`);
    const ignored = type.ignored ?? [];
    checkTypedParams(entry, [...Object.keys(type.params), ...ignored], given);
    const dropped = Object.keys(typed).filter((key) => ignored.includes(key) && !Object.hasOwn(type.params, key));
    for (const key of dropped) log.warn(`Guardrails: ${joinPath(path, key)} has no effect`);
    const own = Object.fromEntries(Object.entries(typed).filter(([key]) => !dropped.includes(key)));
    const under = readVariables(type.params, env);
    const resolved = resolveOptions(type.params, path, own, { refuse: refuseParam, under });
    guardrail = type.create(resolvedEntry(entry, kind, modes, resolved), parts);
  } else {
    const found = typeof given === 'function' ? instanceOf(given) : given;
    if (!isGuardrail(found))
      throw new InvalidConfigurationError(at, `must implement check() and abilities, and be a provider of the app or an instance`);
    guardrail = found;
    kind = found.constructor.name;
    checkTypedParams(entry, [], kind);
  }
  const { abilities } = guardrail;
  for (const mode of modes)
    if (!abilities.modes.includes(mode))
      throw refuseParam(joinPath(path, 'mode'), mode, `must be one of ${abilities.modes.join(', ')} with these settings`);
  if (abilities.rewrites && params.stream_run_ahead_chars > 0)
    throw refuseParam(
      joinPath(path, 'stream_run_ahead_chars'),
      params.stream_run_ahead_chars,
      'must be 0 for a guardrail that changes text',
    );
  return { name, kind, entry, guardrail, modes };
}

function resolvedEntry(entry: CheckedEntry, kind: string, modes: readonly GuardrailMode[], params: Fields): ResolvedEntry {
  const { name, path } = entry;
  const { timeout, num_retries: numRetries } = entry.params;
  return { name, guardrail: kind, path, params, modes, timeoutMs: timeout * 1000, numRetries, refuse: refuseParam };
}

/** Guardrails of one name share its requests, so they have to protect in the same way. */
function checkDuplicates(all: readonly ConfiguredGuardrail[]): void {
  const first = new Map<string, ConfiguredGuardrail>();
  for (const each of all) {
    const known = first.get(each.name);
    first.set(each.name, known ?? each);
    if (known === undefined) continue;
    const isSame =
      known.kind === each.kind &&
      known.entry.params.default_on === each.entry.params.default_on &&
      JSON.stringify([...known.entry.params.mode.byTag, known.entry.params.mode.otherwise]) ===
        JSON.stringify([...each.entry.params.mode.byTag, each.entry.params.mode.otherwise]);
    if (!isSame)
      throw refuseParam(
        each.entry.path,
        undefined,
        `must have the same guardrail, mode and default_on as the other entry named ${each.name}, because each request uses one of them`,
      );
  }
}

function modesFor({ entry }: ConfiguredGuardrail, tags: readonly unknown[]): readonly GuardrailMode[] {
  const { byTag, otherwise } = entry.params.mode;
  if (byTag.size === 0) return otherwise;
  const found = tags.flatMap((tag) => byTag.get(tag as string) ?? []);
  return found.length === 0 ? otherwise : found;
}

/** `[name | { name: { extra_body } }]`. @throws CallDeniedError for another value */
function namesIn(list: unknown, where: string): readonly (readonly [name: string, extra: Fields])[] {
  if (list === undefined || list === null) return [];
  const wrong = (): CallDeniedError => new CallDeniedError(`${where}: must be a list of names of guardrails.`, 'invalid_guardrails');
  if (!Array.isArray(list) || list.length > MOST_NAMES) throw wrong();
  return list.flatMap((each: unknown): (readonly [string, Fields])[] => {
    if (typeof each === 'string') return [[each, {}]];
    if (!isObject(each)) throw wrong();
    return Object.entries(each).map(([name, settings]) => [name, fieldsOf(fieldsOf(settings).extra_body ?? settings)]);
  });
}
