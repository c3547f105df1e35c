import { InvalidArgumentError } from '../common/errors.js';
import { refuseArgument, checkArray, checkBoolean, checkInteger, checkNumber, checkString, optional } from '../common/options.js';
import { readFallbacks, type Fallbacks } from '../router/fallback-order.js';
import type { ClosableResponse } from './cancellation.js';
import type { RoutingContext } from './call-router.js';
import type { CallerLimits } from './llm-client.options.js';
import { mockedFailure } from '../providers/mock-fields.js';
import { tagsIn } from '../providers/own-fields.js';
import { classOfPriority, type QueueClass } from '../queue/queue-class.js';
import type { ModelRequest } from '../providers/model-request.js';

/** Options of one call. All other settings are the router's. */
export interface CallOptions {
  /** Cancels the call: the request to the provider is aborted and no other deployment is tried. */
  readonly signal?: AbortSignal | null;
  /**
   * The HTTP request that this call serves. The answer's usage settles the tokens that
   * `RateLimitGuard` reserved for it; if the client disconnects, the usage so far does.
   */
  readonly request?: object;
  /**
   * The response to that request (Node's, Express's or Fastify's): the call is cancelled when its
   * client disconnects.
   */
  readonly response?: ClosableResponse | { readonly raw: ClosableResponse } | null;
  /** Input for the router: prompt tokens, tags, a strategy. */
  readonly routing?: RoutingContext;
  /**
   * Time limit of the whole call in milliseconds: waits, retries, fallbacks and streams included.
   * Default: `llmClient.callTimeoutMs`.
   */
  readonly timeoutMs?: number;
  /**
   * Time limit of each attempt until the first chunk of a stream, in milliseconds. Default: the
   * deployment's `stream_timeout`, else the router's, else the attempt's own limit.
   */
  readonly streamTimeoutMs?: number;
  /** Retries. Default: the router's `num_retries`. */
  readonly numRetries?: number;
  /**
   * Fallbacks that replace the router's: names, chains by group, or entries with changed
   * parameters.
   */
  readonly fallbacks?: Fallbacks;
  /** Fallbacks for a prompt that exceeds the context window. */
  readonly contextWindowFallbacks?: Fallbacks;
  /** Fallbacks for a prompt that a content filter rejects. */
  readonly contentPolicyFallbacks?: Fallbacks;
  /** Disables other model groups and priority tiers. Default false. */
  readonly disableFallbacks?: boolean;
  /**
   * The tenant of the call in the wait queue, where tenants share capacity by tokens. Default:
   * derived from the `request`.
   */
  readonly tenant?: string;
  /** Priority of the call in the wait queue. Default `default`. */
  readonly queueClass?: QueueClass;
  /**
   * Returns whether the caller is allowed to use a model: the body's `model`, any other model in
   * the body that is meant for a provider (otherwise 403, `MODEL_NOT_ALLOWED`), and the model
   * groups in its `fallbacks`. Default: all.
   */
  readonly mayCall?: (model: string) => boolean;
}

/** The options of a call together with those in its body. */
export interface SteeredOptions extends CallOptions {
  /** The body's `stream_timeout`, which can only shorten the operator's limit. */
  readonly callerStreamTimeoutMs?: number;
  /** The body's `timeout` for each attempt; it can only shorten the operator's limit. */
  readonly callerTimeoutMs?: number;
  /** The body's `total_timeout` for the whole call. */
  readonly callerTotalTimeoutMs?: number;
  /** By the body's `priority`. */
  readonly callerClass?: QueueClass;
}

const MOST_RETRIES = 10;

/** Upper bounds for the caller of a request. */
export type CallerBounds = Required<CallerLimits> & Pick<CallOptions, 'mayCall'>;

/**
 * Adds the options in a body to those of the program, which take precedence, within the operator's
 * bounds.
 * @param sendsFallbacks whether the body's `fallbacks` are for its provider
 * @throws InvalidArgumentError naming the field
 */
export function steeredOptions(body: ModelRequest, options: CallOptions, bounds: CallerBounds, sendsFallbacks: boolean): SteeredOptions {
  const given = <T>(name: string, read: (value: unknown) => T): T | undefined => optional(body[name] ?? undefined, undefined, read);
  const seconds = (name: string): number | undefined =>
    given(name, (value) => checkNumber(name, value, { min: 0.001, max: 86_400 }, refuseArgument) * 1000);
  const text = (path: string, value: unknown): string => checkString(path, value, refuseArgument);
  const fallbacks = (name: string): Fallbacks | undefined =>
    given(name, (value) =>
      value === 'default' && sendsFallbacks ? undefined : readCallersFallbacks(name, value, bounds.maxFallbacks, bounds.mayCall),
    );
  const timeoutMs = seconds('timeout');
  const retries = given('num_retries', (value) => checkInteger('num_retries', value, { min: 0, max: MOST_RETRIES }, refuseArgument));
  const tags = given('tags', (value) => checkArray('tags', value, text, refuseArgument)) ?? tagsIn(body.metadata);
  const strategy = given('routing_strategy', (value) => text('routing_strategy', value));
  const disabled = given('disable_fallbacks', (value) => checkBoolean('disable_fallbacks', value, refuseArgument));
  const [general, contextWindow, contentPolicy] = ['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'].map(fallbacks);
  return {
    ...options,
    callerTimeoutMs: timeoutMs === undefined ? undefined : Math.min(timeoutMs, bounds.timeoutMs),
    callerTotalTimeoutMs: seconds('total_timeout'),
    callerStreamTimeoutMs: seconds('stream_timeout'),
    callerClass: given('priority', (value) => classOfPriority(checkInteger('priority', value, {}, refuseArgument))),
    // A mocked failure would only fail again.
    numRetries:
      mockedFailure(body) !== undefined
        ? 0
        : (options.numRetries ?? (retries === undefined ? undefined : Math.min(retries, bounds.numRetries))),
    // The same check: each names a model that the caller must be allowed to call.
    fallbacks: options.fallbacks ?? (sendsFallbacks ? undefined : general),
    contextWindowFallbacks: options.contextWindowFallbacks ?? contextWindow,
    contentPolicyFallbacks: options.contentPolicyFallbacks ?? contentPolicy,
    disableFallbacks: options.disableFallbacks ?? disabled,
    routing: { ...(tags !== undefined && { tags }), ...(strategy !== undefined && { strategy }), ...options.routing },
  };
}

/** The model, and a field in other letters, which some servers read as the model, too. */
export const MODEL_FIELD = /^model$/i;

/**
 * Reads the fallbacks of a request's body: at most `most` targets, all of them model groups that
 * the caller may call.
 * @throws InvalidArgumentError naming the entry.
 */
function readCallersFallbacks(path: string, value: unknown, most: number, mayCall: (model: string) => boolean = () => true): Fallbacks {
  const refuse = (count: number): Error => new InvalidArgumentError(path, count, `must have at most ${most} entries`, 'TOO_MANY_ENTRIES');
  if (Array.isArray(value) && value.length > most) throw refuse(value.length);
  const targets = [...readFallbacks(path, value, refuseArgument).values()].flat();
  if (targets.length > most) throw refuse(targets.length);
  for (const { model, overrides = {} } of targets) {
    const other = Object.keys(overrides).find((name) => name !== 'model' && MODEL_FIELD.test(name));
    if (other !== undefined)
      throw new InvalidArgumentError(path, other, 'must set model in lower case, because some servers ignore the case');
    if (!mayCall(model)) throw new InvalidArgumentError(path, model, 'must contain only models that the caller is allowed to use');
  }
  return value as Fallbacks;
}

/** Fields of Anthropic's entries; LiteLLM's targets can change any field of the request. */
const ANTHROPICS: ReadonlySet<string> = new Set(['model', 'max_tokens', 'output_config', 'speed', 'thinking']);

/**
 * Whether a body of Anthropic's API has that API's own `fallbacks`, models for a prompt that the
 * first one declines: `'default'`, or `[{ model, max_tokens }]`. LiteLLM's names and chains are
 * other shapes.
 */
export function areAnthropics(fallbacks: unknown): boolean {
  if (!Array.isArray(fallbacks)) return fallbacks === 'default';
  return fallbacks.length > 0 && fallbacks.every(isAnthropics);
}

function isAnthropics(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false;
  return typeof (entry as { readonly model?: unknown }).model === 'string' && Object.keys(entry).every((name) => ANTHROPICS.has(name));
}
