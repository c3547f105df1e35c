import { errorMessage, unshown } from '../../common/errors.js';
import { nearestName } from '../../common/nearest-name.js';
import { ownFields } from '../../common/objects.js';
import { checkArray, checkObject, checkString, joinPath, optional, type Refuse } from '../../common/options.js';
import { isLiteLLMRate, PriceFields, readLiteLLMRates, type PriceReading } from '../../common/litellm-rates.js';
import type { SourcedPrices, TieredRates, TokenRates } from '../../common/token-cost.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { checkAmount, checkPrice, resolveEnvironmentNames, shellVariableIn } from './file-values.js';
import { readPeriod, type Budget } from './budget-settings.js';
import { Deployment, namedBaseModel, type DeploymentSettings, type ModelListEntry } from '../deployments/deployment.js';
import { isCalledByApp, type CalledByApp, type CheckDeployment, type Uncallable } from '../deployments/callability.js';
import { deploymentName } from '../deployments/deployment-name.js';
import { checkErrorPolicy, knownErrorPolicy } from './error-policies.js';
import { ListReading } from './list-reading.js';
import { ENTRY_KEYS, isInfoKey, UNHEEDED_KEYS } from './litellm-keys.js';
import { checkNearMisses } from './protecting-keys.js';
import { INFO_KINDS, PARAM_KINDS, withCheckedKinds } from './setting-kinds.js';
import { checkStrategy } from '../selection/strategies/registry.js';

/** Settings for reading an entry. */
export interface ReadingContext {
  readonly path: string;
  /** The path of an entry, where the list has more than one source. Default: `path[index]`. */
  readonly pathOf?: (index: number) => string;
  readonly refuse: Refuse;
  readonly env: Environment;
  readonly defaultMaxParallelRequests?: number;
  /** Whether invalid entries are omitted and reported. */
  readonly ignoreInvalid?: boolean;
  /** Whether context windows are checked. Default `true`. */
  readonly checksWindows?: boolean;
  /** Prices and context windows of models, for entries without their own. */
  readonly modelFacts?: ModelFacts;
  /** Whether a deployment can be called. Without it, every one counts as callable. */
  readonly check?: CheckDeployment;
  readonly calledByApp?: CalledByApp;
}

/**
 * Prices and context windows by the name of a model; `null` or `undefined` if they are unknown.
 */
export interface ModelFacts {
  /** USD for an input token and an output token. */
  costPerToken?(model: string): number | null | undefined;
  maxInputTokens?(model: string): number | null | undefined;
  pricesOf?(model: string): readonly SourcedPrices[];
}

/** The deployments of a list, with the warnings about it. */
export interface ReadModelList {
  readonly deployments: readonly Deployment[];
  /** The id of each entry of the list; `undefined` for one that is omitted. */
  readonly ids: readonly (string | undefined)[];
  readonly reading: ListReading;
}

type Section = Readonly<Record<string, unknown>>;
/** A section of an entry, and its path. */
type Place = readonly [path: string, section: Section];

const VARIABLE = 'os.environ/';
const HEADER_PARAMS = new Set(['headers', 'extra_headers', 'default_headers']);
/** Higher than any known price, so that a deployment without a price is the last choice. */
const UNKNOWN_COST = Number.MAX_VALUE;
/** Ten times the dearest token of today. */
const DEAREST_TOKEN_USD = 0.01;

/** @throws what `refuse` makes, naming the entry and key. */
export function readModelList(list: unknown, context: ReadingContext): ReadModelList {
  const { path, refuse } = context;
  const reading = new ListReading();
  const deployments: Deployment[] = [];
  const ids: (string | undefined)[] = [];
  if (!Array.isArray(list)) throw refuse(path, list, 'must be an array of deployments');
  for (const [index, entry] of list.entries()) {
    try {
      const read = readEntry(context.pathOf?.(index) ?? `${path}[${index}]`, entry, context, reading);
      deployments.push(new Deployment(read));
      ids.push(read.id);
    } catch (error) {
      if (context.ignoreInvalid !== true) throw error;
      reading.warnings.add(`skipped an invalid deployment (${errorMessage(error)}); correct it or remove it`);
      ids.push(undefined);
    }
  }
  return { deployments, ids, reading };
}

/**
 * Reads one entry. `reading` holds the ids that are taken, and gets this one's.
 * @throws what `refuse` makes, naming the key.
 */
export function readEntry(path: string, value: unknown, context: ReadingContext, reading: ListReading): DeploymentSettings {
  return new EntryReader(path, checkObject(path, value, context.refuse), context, reading).read(value as ModelListEntry);
}

/** One entry of the model list while it is read. */
class EntryReader {
  /** Variables of the environment that `litellm_params` or the entry name, and that are not set. */
  private readonly unset = new Set<string>();
  private readonly entry: Section;
  private readonly params: Section;
  private readonly info: Section;
  private readonly paramsPath: string;
  private readonly infoPath: string;
  private readonly modelName: string;
  private readonly model: string;

  constructor(
    private readonly path: string,
    given: Section,
    private readonly context: ReadingContext,
    private readonly reading: ListReading,
  ) {
    const { refuse } = context;
    this.paramsPath = joinPath(path, 'litellm_params');
    this.infoPath = joinPath(path, 'model_info');
    for (const key of ['model_name', 'litellm_params']) if (given[key] === undefined) this.refuseMisspelt(key, given);
    this.entry = this.resolvedEntry(given);
    this.modelName = checkString(joinPath(path, 'model_name'), this.entry.model_name, refuse);
    const params = this.resolvedParams(checkObject(this.paramsPath, given.litellm_params, refuse));
    this.params = ownFields(withCheckedKinds(this.paramsPath, params, PARAM_KINDS, refuse));
    this.info = ownFields(withCheckedKinds(this.infoPath, this.resolvedInfo(given.model_info), INFO_KINDS, refuse));
    this.model = checkString(joinPath(this.paramsPath, 'model'), this.params.model, refuse);
    checkNearMisses(path, this.entry, 'entry', refuse);
    checkNearMisses(this.paramsPath, this.params, 'litellm_params', refuse);
    checkNearMisses(this.infoPath, this.info, 'model_info', refuse);
  }

  private refuseMisspelt(wanted: string, given: Section): void {
    const typed = Object.keys(given).find((key) => !ENTRY_KEYS.has(key) && nearestName(key, [wanted]) !== undefined);
    if (typed === undefined) return;
    throw this.context.refuse(joinPath(this.path, typed), unshown(given[typed]), `is not a known option (did you mean ${wanted}?)`);
  }

  read(source: ModelListEntry): DeploymentSettings {
    const { context, modelName, model, params, info, infoPath } = this;
    const { refuse, modelFacts } = context;
    this.warnOfKeys();
    this.reading.addParams(params);
    const id = this.identity();
    const { provider, uncallable } = this.callability(id);
    const rates = this.ownRates(provider);
    const price = rates && (rates.inputPerMillion + rates.outputPerMillion) / 1e6;
    const own = rates && [{ prices: rates, source: 'deployment' }];
    const baseModel = namedBaseModel({ params, info });
    return {
      id,
      modelName,
      model,
      provider,
      uncallable,
      params,
      info,
      source,
      rpm: this.amount('rpm', this.everywhere) ?? Infinity,
      tpm: this.amount('tpm', this.everywhere) ?? Infinity,
      maxParallelRequests: this.amount('max_parallel_requests') ?? context.defaultMaxParallelRequests ?? Infinity,
      maxInputTokens:
        context.checksWindows === false
          ? Infinity
          : (this.amount('max_input_tokens', this.infoFirst) ?? modelFacts?.maxInputTokens?.(baseModel ?? model) ?? Infinity),
      weight: this.amount('weight', this.everywhere) ?? NaN,
      order: this.amount('order') ?? Infinity,
      priceOf: () => price ?? modelFacts?.costPerToken?.(baseModel ?? model) ?? UNKNOWN_COST,
      pricesOf: (called) => own ?? modelFacts?.pricesOf?.(baseModel ?? called) ?? [],
      budget: this.budget(),
      tags: this.first('tags', (where, tags) => checkArray(where, tags, (at, tag) => checkString(at, tag, refuse), refuse)) ?? [],
      cooldownMs: this.seconds('cooldown_time'),
      allowedFails: this.amount('allowed_fails'),
      allowedFailsPolicy: this.first('allowed_fails_policy', (where, policy) => this.errorPolicy(where, policy)),
      timeoutMs: this.seconds('timeout'),
      streamTimeoutMs: this.seconds('stream_timeout'),
      numRetries: this.amount('num_retries'),
      strategy: optional(info.routing_strategy, undefined, (name) => checkStrategy(`${infoPath}.routing_strategy`, name, refuse)),
    };
  }

  private errorPolicy(where: string, policy: unknown): Readonly<Record<string, number>> {
    const section = where.startsWith(this.infoPath) ? 'model_info' : 'litellm_params';
    const known = knownErrorPolicy(`${section}: allowed_fails_policy`, policy, 'AllowedFails', (text) => this.reading.warnings.add(text));
    return checkErrorPolicy(where, known, 'AllowedFails', this.context.refuse);
  }

  private get everywhere(): readonly Place[] {
    return [[this.path, this.entry], ...this.paramsFirst];
  }

  private get paramsFirst(): readonly Place[] {
    return [
      [this.paramsPath, this.params],
      [this.infoPath, this.info],
    ];
  }

  private get infoFirst(): readonly Place[] {
    return [...this.paramsFirst].reverse();
  }

  /** A number from the first section that has one. */
  private amount(key: string, places?: readonly Place[], check = checkAmount): number | undefined {
    return this.first(key, (path, value) => check(path, value, this.context.refuse), places);
  }

  /** The checked value of the first section that has one. */
  private first<T>(key: string, check: (path: string, value: unknown) => T, places: readonly Place[] = this.paramsFirst): T | undefined {
    const found = places.find(([, section]) => section[key] !== undefined && section[key] !== null);
    return found && check(joinPath(found[0], key), found[1][key]);
  }

  private price(key: string): number | undefined {
    return this.amount(key, this.paramsFirst, checkPrice);
  }

  private warnOfPrice(path: string, perToken: number): void {
    this.reading.warnings.add(`${path} is ${perToken} USD per token; if this is the price per million tokens, divide it by 1,000,000`);
  }

  private seconds(key: string): number | undefined {
    const value = this.amount(key);
    return value === undefined ? undefined : value * 1000;
  }

  /**
   * The keys next to `litellm_params` and `model_info`. A `model_name` whose variable is not set
   * stays as it is written.
   */
  private resolvedEntry({ litellm_params, model_info, ...own }: Section): Section {
    const resolved = this.resolved(own, (name) => this.unset.add(name));
    return ownFields({ ...resolved, model_name: resolved.model_name ?? own.model_name, litellm_params, model_info });
  }

  /**
   * An address or model whose variable is not set, or is empty, stays as it is written: without an
   * address, the key would go to the default address of the provider.
   */
  private resolvedParams(given: Section): Section {
    const params: Record<string, unknown> = ownFields(this.resolved(given, (name) => this.unset.add(name)));
    for (const key of ['api_base', 'base_url', 'model']) {
      const written = given[key];
      if (typeof written !== 'string') continue;
      const { [key]: value = written } = params;
      const isEmpty = typeof value === 'string' && value.trim() === '' && written.startsWith(VARIABLE);
      if (isEmpty) this.unset.add(written.slice(VARIABLE.length));
      params[key] = isEmpty ? written : value;
    }
    return params;
  }

  private resolvedInfo(given: unknown): Section {
    if (given === undefined || given === null) return ownFields({});
    return this.resolved(checkObject(this.infoPath, given, this.context.refuse), (name) => this.warnOfUnset(this.infoPath, name));
  }

  private resolved(section: Section, missing: (name: string) => void): Section {
    return ownFields(resolveEnvironmentNames({ ...section }, this.context.env, missing) as Section);
  }

  private warnOfUnset(where: string, name: string): void {
    this.reading.warnings.add(`${where} names the variable ${name}, which is not set`);
  }

  private warnOfKeys(): void {
    const { warnings } = this.reading;
    for (const [section, isKnown, where] of [
      [this.entry, (key: string) => ENTRY_KEYS.has(key), 'model_list'],
      [this.info, isInfoKey, 'model_info'],
    ] as const) {
      for (const [key, value] of Object.entries(section)) {
        const isSet = value !== null && value !== undefined && value !== false && value !== 0;
        if (!isKnown(key)) warnings.add(`unknown option in the deployment, kept as it is: ${where}.${key}`);
        else if (UNHEEDED_KEYS.has(`${where}.${key}`) && isSet) warnings.add(`option without effect: ${where}.${key}`);
      }
    }
  }

  /** The id of the entry, else a readable name. */
  private identity(): string {
    const { ids } = this.reading;
    const { id: given } = this.info;
    let id: string;
    if (given !== undefined && given !== null) {
      const path = `${this.infoPath}.id`;
      id = typeof given === 'number' ? String(given) : checkString(path, given, this.context.refuse);
      if (ids.has(id)) throw this.context.refuse(path, id, 'must be unique among deployments');
    } else {
      let name = deploymentName(this.entry, this.params);
      if (ids.has(name)) name = deploymentName(this.entry, this.params, true);
      id = name;
      // The names of identical entries depend on their order.
      for (let copy = 2; ids.has(id); copy++) id = `${name}#${copy}`;
    }
    ids.add(id);
    return id;
  }

  private callability(id: string): { readonly provider: string; readonly uncallable: Uncallable | undefined } {
    const { context, reading, model, params, unset } = this;
    const verdict = context.check?.({ id, model, params });
    const provider = verdict?.provider ?? providerOf(model, params);
    // Without a name, the model cannot be called.
    const isStopped = unset.size > 0 && (context.check !== undefined || model.startsWith(VARIABLE));
    if (!isStopped) for (const name of unset) this.warnOfUnset(this.paramsPath, name);
    const found = isCalledByApp(context.calledByApp ?? false, provider) ? undefined : verdict?.uncallable;
    const unreplaced = context.check === undefined ? undefined : this.shellVariable();
    const uncallable = isStopped ? unsetVariables([...unset]) : (unreplaced ?? found);
    if (uncallable !== undefined) reading.findings.push({ id, ...uncallable });
    else if (verdict?.note !== undefined) reading.notes.push(`${id}: ${verdict.note}`);
    return { provider, uncallable };
  }

  /** A parameter with a `${NAME}`, which would be sent as it is written. */
  private shellVariable(): Uncallable | undefined {
    for (const [key, value] of Object.entries(this.params)) {
      const isHeaders = HEADER_PARAMS.has(key) && typeof value === 'object' && value !== null;
      for (const text of isHeaders ? Object.values(value as Section) : [value]) {
        const name = shellVariableIn(text);
        if (name === undefined) continue;
        const reason = `litellm_params.${key} contains \${${name}}, which is not replaced`;
        return { reason, remedy: `write os.environ/${name} as the whole value, and put the full value into the variable` };
      }
    }
    return undefined;
  }

  /** The deployment's own prices, where a side that is not set is free; `undefined` without any. */
  private ownRates(provider: string): OwnRates | undefined {
    const reading: PriceReading = {
      perMillion: (section, key, path) => {
        const perToken = checkPrice(joinPath(path, key), section[key], this.context.refuse);
        if (perToken > DEAREST_TOKEN_USD) this.warnOfPrice(joinPath(path, key), perToken);
        return perToken * 1e6;
      },
      refuse: (path, value, rule) => this.context.refuse(path, value, rule),
    };
    const fields = new PriceFields(this.paramsFirst, provider, reading);
    const rates = readLiteLLMRates(fields);
    const perRequestUsd = this.price('input_cost_per_request');
    if (rates.inputPerMillion === undefined && rates.outputPerMillion === undefined && perRequestUsd === undefined) {
      const lone = fields.names.filter((key) => isLiteLLMRate(key) && fields.value(key) !== undefined);
      if (lone.length > 0)
        this.reading.warnings.add(
          `prices are ignored because neither input_cost_per_token nor output_cost_per_token is set: ${lone.join(', ')}`,
        );
      return undefined;
    }
    return { inputPerMillion: 0, outputPerMillion: 0, ...rates, perRequestUsd };
  }

  /** `max_budget` per `budget_duration`. */
  private budget(): Budget | undefined {
    const budgetUsd = this.amount('max_budget');
    const duration = this.params.budget_duration ?? undefined;
    if (budgetUsd === undefined) {
      if (duration !== undefined)
        this.reading.warnings.add(
          'litellm_params: budget_duration is ignored because max_budget is not set; set max_budget, or remove budget_duration',
        );
      return undefined;
    }
    if (duration !== undefined)
      return { budgetUsd, periodMs: readPeriod(`${this.paramsPath}.budget_duration`, duration, this.context.refuse) };
    this.reading.warnings.add(
      'litellm_params: max_budget is ignored because budget_duration is not set; set budget_duration, or remove max_budget',
    );
    return undefined;
  }
}

type OwnRates = TieredRates & Required<Pick<TokenRates, 'inputPerMillion' | 'outputPerMillion'>>;

function unsetVariables(names: readonly string[]): Uncallable {
  const [are, them] = names.length === 1 ? [`variable ${names[0]} is`, 'it'] : [`variables ${names.join(', ')} are`, 'them'];
  return { reason: `the environment ${are} not set`, remedy: `set ${them}, or remove os.environ/ from the deployment` };
}

function providerOf(model: string, params: Section): string {
  if (typeof params.custom_llm_provider === 'string') return params.custom_llm_provider;
  const slash = model.indexOf('/');
  return slash > 0 ? model.slice(0, slash) : 'openai';
}
