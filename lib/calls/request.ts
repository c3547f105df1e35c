import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  optional,
  refuseArgument,
} from '../common/options.js';
import { InvalidArgumentError } from '../common/errors.js';
import { ModelNotAllowedError } from '../common/http-errors.js';
import type { Fallbacks } from '../router/fallbacks.js';
import { checkBodyBounds, type ResolvedBodyBounds } from '../http/body/body-bounds.js';
import { checkListLengths } from '../http/body/list-lengths.js';
import { isLarge, isLargeBody } from '../http/body/body-size.js';
import { LONGEST_MODEL_NAME, type JsonBody } from '../http/body/json-body.js';
import { BodyFacts } from '../http/token-estimate/body-facts.js';
import type { DearTier } from '../http/token-estimate/asked-tier.js';
import type { ClosableResponse } from './cancellation.js';
import type { RoutingContext } from './call-router.js';
import type { LimitedRequest } from '../http/guard/guarded-request.js';
import { RequestContext } from '../http/request-context.js';
import { checkNamedModels } from '../http/named-models.js';
import type { Forwarded } from '../providers/forwarded/forwarded.js';
import { picturesOf, type FormPictures } from './forward/form-pictures.js';
import { soundTokensOf } from './forward/form-sound.js';
import type { CallerLimits } from './llm-client.options.js';
import { hasMocks, mockedFailure } from '../providers/mock-fields.js';
import { isOwnField, tagsIn } from '../providers/own-fields.js';
import { classOfPriority, QUEUE_CLASSES, type QueueClass } from '../queue/queue-class.js';
import type { ModelRequest } from '../providers/model-request.js';
import { otherModel } from './other-model.js';
import { areAnthropics, readCallersFallbacks, readRequestFallbacks } from './request-fallbacks.js';

/** Options of one call. The router's settings hold for everything else. */
export interface CallOptions {
  /** Cancels the call: the request to the provider is aborted and no other deployment is tried. */
  readonly signal?: AbortSignal | null;
  /**
   * The HTTP request that this call answers. The tokens that `RateLimitGuard` reserved for it are
   * settled with the answer's usage, or with what had arrived when the client left.
   */
  readonly request?: object;
  /** The response to that request (Node's, Express's, Fastify's): the call ends with its client. */
  readonly response?: ClosableResponse | { readonly raw: ClosableResponse } | null;
  /** For the router: prompt tokens, tags, a strategy. */
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
  /** Default: the router's `num_retries`. */
  readonly numRetries?: number;
  /** Fallbacks in place of the router's: names, chains by group, or targets with changes. */
  readonly fallbacks?: Fallbacks;
  /** Fallbacks for a prompt that exceeds the context window. */
  readonly contextWindowFallbacks?: Fallbacks;
  /** Fallbacks for a prompt that a content filter rejects. */
  readonly contentPolicyFallbacks?: Fallbacks;
  /** Whether to try no other model group or priority tier. Default false. */
  readonly disableFallbacks?: boolean;
  /** Whose call it is, while calls wait: tenants share by tokens. Default: by the `request`. */
  readonly tenant?: string;
  /** How urgent the call is, while calls wait. Default `default`. */
  readonly queueClass?: QueueClass;
  /**
   * Whether the caller may call the body's `model`, each other model that the body names for a
   * provider (else 403, `MODEL_NOT_ALLOWED`), and a model group of its `fallbacks`. Default: any.
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

const FALLBACK_OPTIONS = ['fallbacks', 'contextWindowFallbacks', 'contentPolicyFallbacks'] as const;

/** `null` counts as absent. @throws InvalidArgumentError naming the option. */
export function checkCallOptions(options: CallOptions): void {
  const { request, routing, timeoutMs, streamTimeoutMs, numRetries, mayCall, tenant, queueClass } = options;
  if ((request ?? undefined) !== undefined) checkObject('request', request, refuseArgument);
  if ((routing ?? undefined) !== undefined) checkRouting(routing);
  if ((timeoutMs ?? undefined) !== undefined) checkTime('timeoutMs', timeoutMs);
  if ((streamTimeoutMs ?? undefined) !== undefined) checkTime('streamTimeoutMs', streamTimeoutMs);
  if ((numRetries ?? undefined) !== undefined) checkInteger('numRetries', numRetries, { min: 0 }, refuseArgument);
  for (const name of FALLBACK_OPTIONS) if ((options[name] ?? undefined) !== undefined) readRequestFallbacks(name, options[name]);
  if ((tenant ?? undefined) !== undefined) checkString('tenant', tenant, refuseArgument);
  if ((queueClass ?? undefined) !== undefined) checkOneOf('queueClass', queueClass, QUEUE_CLASSES, refuseArgument);
  if ((mayCall ?? undefined) !== undefined) checkFunction('mayCall', mayCall, refuseArgument);
}

function checkRouting(value: unknown): void {
  const { inputTokens, maxTokens } = checkObject('routing', value, refuseArgument);
  if ((inputTokens ?? undefined) !== undefined) checkNumber('routing.inputTokens', inputTokens, {}, refuseArgument);
  if ((maxTokens ?? undefined) !== undefined) checkNumber('routing.maxTokens', maxTokens, {}, refuseArgument);
}

/** `Infinity` is allowed: no limit. */
function checkTime(path: string, value: unknown): void {
  if (typeof value !== 'number' || !(value > 0)) throw refuseArgument(path, value, 'must be a number above 0');
}

const MOST_RETRIES = 10;

/** Bounds of a body and of what it may ask for. */
export interface RequestLimits {
  readonly bounds: ResolvedBodyBounds;
  readonly ofCaller: () => Required<CallerLimits>;
  /** Whether bodies may mock failures and delays. Default false. */
  readonly mockTesting?: boolean;
}

/** What a call is asked for. */
export interface AskedBody {
  readonly body: ModelRequest;
  /** Tells the API, and so which fields limit the output. */
  readonly operation?: string;
  /** The same as bytes, where it has them. */
  readonly json?: JsonBody;
  /** Where the request passes as it is. */
  readonly forwarded?: Forwarded;
}

/** A request body, read once: what is sent, and what steers the call. */
export class ReadRequest {
  readonly startedAtMs = performance.now();
  readonly model: string;
  readonly stream: boolean;
  /** Whether the usage of a stream is asked for although the caller does not. */
  readonly addsUsage: boolean;
  readonly options: SteeredOptions;
  readonly maxTokens: number | undefined;
  /** Whether nothing that it names limits its output for certain, nor a default of a deployment. */
  readonly isUnlimited: boolean;
  /** Whether its `additional_drop_params` remove the field that limits the output. */
  readonly dropsLimit: boolean;
  /** Answers asked for: `n`, for each prompt of a list. */
  readonly choices: number;
  /** Whether the provider is to work on after it has answered (`background`). */
  readonly isBackground: boolean;
  /** The requested service tier, if it is more expensive than the standard one. */
  readonly askedTier: DearTier | undefined;
  /** Whether its prompt may have sound. */
  readonly hasSound: boolean;
  /** Tokens of recordings in its form, which are no part of the prompt for the router. */
  readonly soundTokens: number;
  /** Pictures in its form. */
  readonly pictures: FormPictures | undefined;
  /** Web searches that its provider may run. */
  readonly searches: number;
  /** Whether counting and writing the body take turns of the event loop of their own. */
  readonly isLarge: boolean;
  /** Whether it has fields that are not sent to providers. */
  readonly hasOwnFields: boolean;
  /** Whether some of them are for tests. */
  readonly hasMocks: boolean;
  /** Whether its `metadata` has tags for the router. */
  readonly hasTags: boolean;
  /** Whether its `fallbacks` are for Anthropic, and not for the router. */
  readonly sendsFallbacks: boolean;

  readonly body: ModelRequest;
  readonly facts: BodyFacts;
  /** Bytes of a large body, which protocols that pass it send; `undefined`: they write it. */
  json: JsonBody | undefined;
  readonly forwarded: Forwarded | undefined;

  /** @throws InvalidArgumentError naming the field. */
  constructor({ body, operation, json, forwarded }: AskedBody, options: CallOptions, streamUsage: boolean, limits: RequestLimits) {
    this.body = body;
    this.json = json;
    if (json !== undefined) json.calls++;
    this.forwarded = forwarded;
    checkObject('body', body, refuseArgument);
    if (json === undefined) checkBodyBounds(body, limits.bounds);
    else {
      checkListLengths(json, limits.bounds);
      checkBodyBounds(json.outline, limits.bounds, '', (text) => json.textOf(text));
    }
    checkObject('options', options, refuseArgument);
    checkCallOptions(options);
    this.model = checkString('model', body.model, refuseArgument);
    if (this.model.length > LONGEST_MODEL_NAME)
      throw new InvalidArgumentError('model', this.model, `must not be longer than ${LONGEST_MODEL_NAME} characters`);
    const mayCall = options.mayCall ? askedOnce(options.mayCall) : undefined;
    if (mayCall?.(this.model) === false) throw new ModelNotAllowedError(this.model);
    const asksStream = optional(body.stream ?? undefined, false, (value) => checkBoolean('stream', value, refuseArgument));
    this.stream = asksStream || forwarded?.answer === 'bytes';
    const { stream_options: streamOptions } = body as { readonly stream_options?: { readonly include_usage?: unknown } | null };
    this.addsUsage = this.stream && streamUsage && streamOptions?.include_usage !== true;
    const headers = (options.request as LimitedRequest | undefined)?.headers;
    this.isLarge = json === undefined ? isLarge({ headers, body }) : isLargeBody(json.bytes);
    const names = Object.keys(body);
    const other = otherModel(body);
    if (other !== undefined)
      throw new InvalidArgumentError(other, body[other], 'must be written in lower case: some servers read it as the model');
    this.hasOwnFields = names.some(isOwnField);
    this.hasMocks = this.hasOwnFields && hasMocks(body, limits.mockTesting === true);
    const memory = options.request === undefined ? undefined : RequestContext.find(options.request);
    const facts = json === undefined ? BodyFacts.known(body, memory) : new BodyFacts(body, json.outline);
    this.facts = facts;
    this.maxTokens = facts.mostOutput(operation);
    this.dropsLimit = facts.dropsLimit;
    this.isUnlimited = facts.isUnlimited(operation);
    this.choices = facts.output.choices;
    this.isBackground = facts.output.isBackground;
    this.askedTier = facts.tier;
    this.hasSound = operation === 'audio' || facts.hasSound;
    this.soundTokens = operation === 'audio' && forwarded?.form !== undefined ? soundTokensOf(forwarded.form) : 0;
    this.pictures = operation === 'images' && forwarded?.form !== undefined ? picturesOf(forwarded.form) : undefined;
    this.searches = facts.searches;
    this.hasTags = tagsIn(body.metadata) !== undefined;
    this.sendsFallbacks = operation === 'messages' && body.fallbacks !== undefined && areAnthropics(body.fallbacks);
    this.options =
      this.hasOwnFields || this.hasTags ? steered(body, options, { ...limits.ofCaller(), mayCall }, this.sendsFallbacks) : options;
    if (mayCall !== undefined) checkNamedModels(forwarded?.form?.fields() ?? json?.outline ?? body, mayCall);
  }
}

/** Upper bounds for the caller of a request. */
type CallerBounds = Required<CallerLimits> & Pick<CallOptions, 'mayCall'>;

/** Checks each model once, although a body can name it in several places. */
function askedOnce(mayCall: (model: string) => boolean): (model: string) => boolean {
  const answers = new Map<string, boolean>();
  return (model) => {
    const known = answers.get(model) ?? mayCall(model);
    answers.set(model, known);
    return known;
  };
}

/** Merges options of the body: behind the program's, and within the operator's bounds. */
function steered(body: ModelRequest, options: CallOptions, bounds: CallerBounds, sendsFallbacks: boolean): SteeredOptions {
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
