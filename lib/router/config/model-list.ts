import { errorMessage } from '../../common/errors.js';
import { checkArray, checkObject, checkString, joinPath, type Refuse } from '../../common/options.js';
import { costOf, type TokenRates, type UsageDetails } from '../../common/token-cost.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { checkAmount } from './numeric-options.js';
import { readPeriod, type Budget } from './budget-settings.js';
import { Deployment, type DeploymentSettings, type ModelListEntry } from '../deployments/deployment.js';
import { resolveEnvironmentNames } from './environment-names.js';
import type { CalledByApp, CheckDeployment, Uncallable } from '../deployments/callability.js';
import { isCalledByApp } from '../deployments/callability.js';
import { deploymentName } from '../deployments/deployment-name.js';
import { checkErrorPolicy, knownErrorPolicy } from './error-policies.js';
import { ListReading } from './list-reading.js';
import { ENTRY_KEYS, INFO_KEYS, UNHEEDED_KEYS } from './litellm-keys.js';
import { checkStrategy } from '../selection/strategies/strategies.js';

/** What an entry is read with. */
export interface ReadingContext {
  readonly path: string;
  readonly refuse: Refuse;
  readonly env: Environment;
  readonly defaultMaxParallelRequests?: number;
  /** Entries that cannot be read are left out, and reported. */
  readonly ignoreInvalid?: boolean;
  /** Whether context windows are looked at. Default `true`. */
  readonly looksAtWindows?: boolean;
  /** What the app knows of a model's price and window, for entries that do not say. */
  readonly modelFacts?: ModelFacts;
  /** Whether a deployment can be called. Without it every one can, as far as this router knows. */
  readonly check?: CheckDeployment;
  readonly calledByApp?: CalledByApp;
}

/** Prices and windows by a model's name; `null` or nothing where they are unknown. */
export interface ModelFacts {
  /** USD for a token in and a token out. */
  costPerToken?(model: string): number | null | undefined;
  maxInputTokens?(model: string): number | null | undefined;
  /** USD for a call. */
  costUsd?(model: string, promptTokens: number, completionTokens: number, details?: UsageDetails): number | null | undefined;
}

/** The deployments of a list, and what is to be said of it. */
export interface ReadModelList {
  readonly deployments: readonly Deployment[];
  readonly reading: ListReading;
}

const VARIABLE = 'os.environ/';
/** Costs more than any known price: what is unknown is the last choice. */
const UNKNOWN_COST = Number.MAX_VALUE;

/** @throws what `refuse` makes, naming the entry and key. */
export function readModelList(list: unknown, context: ReadingContext): ReadModelList {
  const { path, refuse } = context;
  const reading = new ListReading();
  const deployments: Deployment[] = [];
  if (!Array.isArray(list)) throw refuse(path, list, 'must be an array of deployments');
  for (const [index, entry] of list.entries()) {
    try {
      deployments.push(new Deployment(readEntry(`${path}[${index}]`, entry, context, reading)));
    } catch (error) {
      if (context.ignoreInvalid !== true) throw error;
      reading.warnings.add(`left out: ${errorMessage(error)}`);
    }
  }
  return { deployments, reading };
}

/**
 * One entry. `reading` has the ids that are taken, and gets this one's.
 * @throws what `refuse` makes, naming the key.
 */
export function readEntry(path: string, value: unknown, context: ReadingContext, reading: ListReading): DeploymentSettings {
  const { refuse, env, modelFacts } = context;
  const { warnings } = reading;
  const unset = new Set<string>();
  const given = checkObject(path, value, refuse);
  const entry = withResolved(given, env, (name) => unset.add(name));
  const modelName = checkString(joinPath(path, 'model_name'), entry.model_name, refuse);
  const at = { params: joinPath(path, 'litellm_params'), info: joinPath(path, 'model_info') };
  const resolve = (part: unknown, where: string, missing: (name: string) => void): Record<string, unknown> =>
    resolveEnvironmentNames({ ...checkObject(where, part, refuse) }, env, missing) as Record<string, unknown>;
  const warnOf = (where: string, name: string): void => void warnings.add(`${where} names the variable ${name}, which is not set`);
  const params = withAddresses(
    resolve(entry.litellm_params, at.params, (name) => unset.add(name)),
    entry.litellm_params as Readonly<Record<string, unknown>>,
    (name) => unset.add(name),
  );
  const info =
    entry.model_info === undefined || entry.model_info === null ? {} : resolve(entry.model_info, at.info, (name) => warnOf(at.info, name));
  const model = checkString(joinPath(at.params, 'model'), params.model, refuse);
  for (const [keys, known, where] of [
    [entry, ENTRY_KEYS, 'model_list'],
    [info, INFO_KEYS, 'model_info'],
  ] as const) {
    for (const [key, set] of Object.entries(keys)) {
      if (!known.has(key)) warnings.add(`${where}: ${key} is not known here, and kept`);
      else if (UNHEEDED_KEYS.has(`${where}.${key}`) && set !== null && set !== undefined && set !== false && set !== 0) {
        warnings.add(`${where}: ${key} has no effect here`);
      }
    }
  }

  reading.addParams(params);
  const id = identityOf(path, [entry, params, info], reading.ids, refuse);
  const verdict = context.check?.({ id, model, params });
  const provider = verdict?.provider ?? providerOf(model, params);
  // Without its name there is no model to call, whoever calls it.
  const isStopped = unset.size > 0 && (context.check !== undefined || model.startsWith(VARIABLE));
  if (!isStopped) for (const name of unset) warnOf(at.params, name);
  const found = isCalledByApp(context.calledByApp ?? false, provider) ? undefined : verdict?.uncallable;
  const uncallable: Uncallable | undefined = isStopped ? unsetVariables([...unset]) : found;
  if (uncallable !== undefined) reading.findings.push({ id, ...uncallable });
  else if (verdict?.note !== undefined) reading.notes.push(`${id}: ${verdict.note}`);

  const read = (key: string, parts: readonly (readonly [string, Readonly<Record<string, unknown>>])[]): number | undefined => {
    const found = parts.find(([, part]) => part[key] !== undefined && part[key] !== null);
    return found && checkAmount(joinPath(found[0], key), found[1][key], refuse);
  };
  const everywhere = [
    [path, entry],
    [at.params, params],
    [at.info, info],
  ] as const;
  const ownFirst = [
    [at.params, params],
    [at.info, info],
  ] as const;
  const seconds = (key: string): number | undefined => {
    const value = read(key, ownFirst);
    return value === undefined ? undefined : value * 1000;
  };
  const own = readOwnRates((key) => read(key, ownFirst));
  const named = typeof info.base_model === 'string' ? info.base_model : undefined;
  const base = named ?? model;
  const price = own && (own.inputPerMillion + own.outputPerMillion) / 1e6;
  const policy = knownErrorPolicy('model_info: allowed_fails_policy', info.allowed_fails_policy, 'AllowedFails', (text) =>
    warnings.add(text),
  );
  const tags = params.tags ?? info.tags;

  return {
    id,
    modelName,
    model,
    provider,
    uncallable,
    params,
    info,
    source: value as ModelListEntry,
    rpm: read('rpm', everywhere) ?? Infinity,
    tpm: read('tpm', everywhere) ?? Infinity,
    maxParallelRequests: read('max_parallel_requests', ownFirst) ?? context.defaultMaxParallelRequests ?? Infinity,
    maxInputTokens:
      context.looksAtWindows === false
        ? Infinity
        : (read('max_input_tokens', [...ownFirst].reverse()) ?? modelFacts?.maxInputTokens?.(base) ?? Infinity),
    weight: read('weight', everywhere) ?? NaN,
    order: read('order', ownFirst) ?? Infinity,
    costPerToken: () => price ?? modelFacts?.costPerToken?.(base) ?? UNKNOWN_COST,
    costOf: (promptTokens, completionTokens, called, details) =>
      (own === undefined
        ? modelFacts?.costUsd?.(named ?? called, promptTokens, completionTokens, details)
        : costOf(own, promptTokens, completionTokens, details)) ?? undefined,
    budget: readBudget(at.params, params, read('max_budget', ownFirst), refuse, warnings),
    tags:
      tags === undefined || tags === null
        ? []
        : checkArray(`${at.params}.tags`, tags, (where, tag) => checkString(where, tag, refuse), refuse),
    cooldownMs: seconds('cooldown_time'),
    allowedFails: read('allowed_fails', ownFirst),
    allowedFailsPolicy:
      policy === undefined || policy === null
        ? undefined
        : checkErrorPolicy(`${at.info}.allowed_fails_policy`, policy, 'AllowedFails', refuse),
    timeoutMs: seconds('timeout'),
    streamTimeoutMs: seconds('stream_timeout'),
    numRetries: read('num_retries', ownFirst),
    strategy: info.routing_strategy === undefined ? undefined : checkStrategy(`${at.info}.routing_strategy`, info.routing_strategy, refuse),
  };
}

/** Variables beside `litellm_params` and `model_info`: a name that one should have said stays as it is written. */
function withResolved(
  entry: Readonly<Record<string, unknown>>,
  env: Environment,
  missing: (name: string) => void,
): Readonly<Record<string, unknown>> {
  const { litellm_params, model_info, ...own } = entry;
  const resolved = resolveEnvironmentNames(own, env, missing) as Record<string, unknown>;
  return { ...resolved, model_name: resolved.model_name ?? entry.model_name, litellm_params, model_info };
}

/**
 * An address, or a model, that a variable should have said stays as it is written: it is none. Without it the key would go to the address that the provider is
 * known by. A variable that is set to nothing says no more than one that is not.
 */
function withAddresses(
  params: Record<string, unknown>,
  given: Readonly<Record<string, unknown>>,
  missing: (name: string) => void,
): Record<string, unknown> {
  for (const key of ['api_base', 'base_url', 'model']) {
    const written = given[key];
    if (typeof written !== 'string') continue;
    const { [key]: value = written } = params;
    const isEmpty = typeof value === 'string' && value.trim() === '' && written.startsWith(VARIABLE);
    if (isEmpty) missing(written.slice(VARIABLE.length));
    params[key] = isEmpty ? written : value;
  }
  return params;
}

type OwnRates = TokenRates & Required<Pick<TokenRates, 'inputPerMillion' | 'outputPerMillion'>>;

/** A deployment's own prices, of which a side that is not set is free; `undefined` where it has none. */
function readOwnRates(read: (key: string) => number | undefined): OwnRates | undefined {
  const perMillion = (key: string): number | undefined => {
    const perToken = read(key);
    return perToken === undefined ? undefined : perToken * 1e6;
  };
  const [input, output] = [perMillion('input_cost_per_token'), perMillion('output_cost_per_token')];
  const perRequestUsd = read('input_cost_per_request');
  if (input === undefined && output === undefined && perRequestUsd === undefined) return undefined;
  return {
    inputPerMillion: input ?? 0,
    outputPerMillion: output ?? 0,
    cacheReadPerMillion: perMillion('cache_read_input_token_cost'),
    cacheWritePerMillion: perMillion('cache_creation_input_token_cost'),
    reasoningPerMillion: perMillion('output_cost_per_reasoning_token'),
    perRequestUsd,
  };
}

/** What may be spent on a deployment: `max_budget` in `budget_duration`. */
function readBudget(
  path: string,
  { budget_duration: duration }: Readonly<Record<string, unknown>>,
  budgetUsd: number | undefined,
  refuse: Refuse,
  warnings: Set<string>,
): Budget | undefined {
  if (budgetUsd === undefined) return undefined;
  if (duration !== undefined && duration !== null) return { budgetUsd, periodMs: readPeriod(`${path}.budget_duration`, duration, refuse) };
  warnings.add('litellm_params: max_budget has no effect without budget_duration');
  return undefined;
}

/** The id that an entry is given, or else a name that people can read. @param parts the entry itself, its parameters and its `model_info`, resolved */
function identityOf(
  path: string,
  [entry, params, info]: readonly Readonly<Record<string, unknown>>[],
  ids: Set<string>,
  refuse: Refuse,
): string {
  let id: string;
  if (info.id !== undefined && info.id !== null) {
    id = typeof info.id === 'number' ? String(info.id) : checkString(`${path}.model_info.id`, info.id, refuse);
    if (ids.has(id)) throw refuse(`${path}.model_info.id`, id, 'must be another one than that of the other deployments');
  } else {
    const name = deploymentName(entry, params);
    id = name;
    // Entries that are alike share a name for themselves only as long as they stay in their order.
    for (let copy = 2; ids.has(id); copy++) id = `${name}#${copy}`;
  }
  ids.add(id);
  return id;
}

function unsetVariables(names: readonly string[]): Uncallable {
  const are = names.length === 1 ? `variable ${names[0]} is` : `variables ${names.join(', ')} are`;
  return { reason: `the environment ${are} not set`, mend: 'set it, or take os.environ/ out of the deployment' };
}

function providerOf(model: string, params: Readonly<Record<string, unknown>>): string {
  if (typeof params.custom_llm_provider === 'string') return params.custom_llm_provider;
  const slash = model.indexOf('/');
  return slash > 0 ? model.slice(0, slash) : 'openai';
}
