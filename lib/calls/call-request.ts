import { InvalidArgumentError } from '../common/errors.js';
import { ModelNotAllowedError } from '../common/http-errors.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  refuseArgument,
} from '../common/options.js';
import { checkBodyBounds, type ResolvedBodyBounds } from '../http/body/body-bounds.js';
import { isLarge, isLargeBody, jsonBodyOf } from '../http/body/body-object.js';
import { LONGEST_MODEL_NAME, type JsonBody } from '../http/body/json-body.js';
import type { JsonReader } from '../http/body/json-reader.js';
import { checkListLengths } from '../http/body/list-lengths.js';
import type { LimitedRequest } from '../http/guard/guarded-request.js';
import { checkNamedModels } from '../http/named-models.js';
import { RequestContext } from '../http/request-context.js';
import { BodyFacts } from '../http/token-estimate/body-facts.js';
import { promptTokensOf } from '../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { Forwarded } from '../providers/forwarded/forwarded.js';
import { hasMocks } from '../providers/mock-fields.js';
import type { ModelRequest } from '../providers/model-request.js';
import { isOwnField, tagsIn } from '../providers/own-fields.js';
import type { ClientRequest, Operation } from '../providers/protocol.js';
import { QUEUE_CLASSES } from '../queue/queue-class.js';
import { readFallbacks } from '../router/fallback-order.js';
import { steeredOptions, MODEL_FIELD, areAnthropics, type CallOptions, type SteeredOptions } from './call-options.js';
import { picturesOf, type FormPictures, soundTokensOf } from './forwarded/form-media.js';
import type { CallerLimits } from './llm-client.options.js';

/** Bounds of a body and of its options. */
export interface RequestLimits {
  readonly bounds: ResolvedBodyBounds;
  readonly ofCaller: () => Required<CallerLimits>;
  /** Whether bodies may mock failures and delays. Default false. */
  readonly mockTesting?: boolean;
  /** Whether streams are asked for their usage although the caller does not ask. Default false. */
  readonly streamUsage?: boolean;
}

/** Counts prompts. */
export interface PromptReader {
  readonly counter: TokenCounterService;
  readonly json: JsonReader;
}

/** A body, and the operation that it is for. */
export interface OperationBody {
  readonly operation: Operation;
  readonly body: ModelRequest;
  /** The same as bytes, if it has them. */
  readonly json?: JsonBody;
  /** Set if the request passes through as it is. */
  readonly forwarded?: Forwarded;
}

/** The request of one call. Facts about its body are computed on first use, and kept. */
export interface CallRequest {
  readonly startedAtMs: number;
  readonly operation: string;
  readonly model: string;
  readonly stream: boolean;
  /** Those of the program, together with those in the body. */
  readonly options: SteeredOptions;
  /** Absent if the caller sends it. */
  readonly body?: ModelRequest;
  /** Whether counting and writing the body take turns of the event loop of their own. */
  readonly isLarge: boolean;
  /** State of the HTTP request that it is for. */
  readonly context: RequestContext | undefined;
  /** Tokens of the prompt, once they are counted. */
  readonly promptTokens: number | undefined;
  /** The body whose prompt was counted. */
  readonly counted: object | undefined;
  /** Tokens of each answer; `undefined` if it names no figure. */
  readonly maxTokens: number | undefined;
  /** How much it may use and cost, by its body. */
  readonly facts: BodyFacts;
  /** Tokens of recordings in its form, which are not part of the prompt for the router. */
  readonly soundTokens?: number;
  /** Pictures in its form. */
  readonly pictures?: FormPictures | undefined;
}

/**
 * A call with a body, as an object or as bytes. A body that a hook changes becomes another
 * `AskedRequest`.
 */
export class ApiCallRequest implements CallRequest, ClientRequest {
  readonly operation: Operation;
  readonly model: string;
  readonly stream: boolean;
  readonly body: ModelRequest;
  /** Bytes of a large body, which protocols that pass it send; `undefined`: they write it. */
  json: JsonBody | undefined;
  readonly forwarded: Forwarded | undefined;
  readonly options: SteeredOptions;
  readonly context: RequestContext | undefined;
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
  /** Whether the usage of a stream is asked for although the caller does not. */
  readonly addsUsage: boolean;
  promptTokens: number | undefined = undefined;
  counted: object | undefined = undefined;

  readonly facts: BodyFacts;
  private knownSoundTokens: number | undefined = undefined;
  private knownPictures: FormPictures | undefined = undefined;

  /**
   * @param given the options of the program
   * @throws InvalidArgumentError naming the field; ModelNotAllowedError
   */
  constructor(
    { operation, body, json, forwarded }: OperationBody,
    private readonly given: CallOptions,
    private readonly limits: RequestLimits,
    readonly startedAtMs = performance.now(),
  ) {
    this.operation = operation;
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
    checkObject('options', given, refuseArgument);
    checkCallOptions(given);
    this.model = checkString('model', body.model, refuseArgument);
    if (this.model.length > LONGEST_MODEL_NAME)
      throw new InvalidArgumentError('model', this.model, `must have at most ${LONGEST_MODEL_NAME} characters`);
    const mayCall = given.mayCall ? askedOnce(given.mayCall) : undefined;
    if (mayCall?.(this.model) === false) throw new ModelNotAllowedError(this.model);
    const { stream = null } = body;
    this.stream = (stream !== null && checkBoolean('stream', stream, refuseArgument)) || forwarded?.answer === 'bytes';
    this.addsUsage =
      this.stream && limits.streamUsage === true && (operation === 'chat' || operation === 'completions') && !asksUsage(body);
    this.context = given.request ? RequestContext.of(given.request) : undefined;
    const known = json === undefined ? BodyFacts.known(body, this.context) : undefined;
    this.facts = known ?? new BodyFacts(body, json?.outline);
    const headers = (given.request as LimitedRequest | undefined)?.headers;
    // A guard keeps only the facts about small bodies.
    this.isLarge = json === undefined ? known === undefined && isLarge({ headers, body }) : isLargeBody(json.bytes);
    let hasOwnFields = false;
    for (const name of Object.keys(body)) {
      if (name !== 'model' && MODEL_FIELD.test(name))
        throw new InvalidArgumentError(name, body[name], 'must be written in lower case, because some servers treat it as the model');
      hasOwnFields ||= isOwnField(name);
    }
    this.hasOwnFields = hasOwnFields;
    this.hasMocks = hasOwnFields && hasMocks(body, limits.mockTesting === true);
    this.hasTags = tagsIn(body.metadata) !== undefined;
    this.sendsFallbacks = operation === 'messages' && body.fallbacks !== undefined && areAnthropics(body.fallbacks);
    this.options =
      this.hasOwnFields || this.hasTags ? steeredOptions(body, given, { ...limits.ofCaller(), mayCall }, this.sendsFallbacks) : given;
    if (mayCall !== undefined) checkNamedModels(forwarded?.form?.fields() ?? json?.outline ?? body, mayCall);
  }

  /** Whether hooks cannot have changed this body in place: it is the client's, and has bytes. */
  isUnchanged(body: object): boolean {
    return body === this.body && this.json !== undefined;
  }

  /**
   * The same call with a body that hooks have changed, or may have changed in place. Facts about
   * the prompt that the app has passed do not apply to a changed body.
   * @throws as the constructor
   */
  async revise(body: ModelRequest): Promise<ApiCallRequest> {
    const json = await jsonBodyOf(body);
    const isSame = body === this.body && json === this.json;
    if (isSame && json !== undefined) return this;
    const { operation, forwarded, given, limits, startedAtMs } = this;
    const options = isSame ? given : withoutCount(given);
    return new ApiCallRequest({ operation, body, json, forwarded }, options, limits, startedAtMs);
  }

  /**
   * Counts the prompt for the router, limits and budgets, unless the program has stated it or the
   * request's guard has counted the same body. A large body is written to bytes before; a form has
   * its own.
   */
  countPrompt(counting: PromptReader): Promise<void> | undefined {
    if (!this.isLarge || this.json !== undefined || this.forwarded?.form !== undefined) return this.countWritten(counting);
    return counting.json.write(this.body).then((written) => {
      // `undefined` for a body that cannot be serialized, which is counted as it is.
      this.json = written;
      return this.countWritten(counting);
    });
  }

  private countWritten(counting: PromptReader): Promise<void> | undefined {
    const { isLarge, json, context, body, options } = this;
    this.counted = json?.promptFields ?? body;
    const stated = options.routing?.inputTokens;
    if (context !== undefined) context.facts = undefined;
    const tokens = stated ?? this.facts.promptTokens ?? promptTokensOf(body, { counter: counting.counter, json, isLarge });
    if (tokens instanceof Promise)
      return tokens.then((counted) => {
        this.promptTokens = counted;
      });
    this.promptTokens = tokens;
    return undefined;
  }

  get maxTokens(): number | undefined {
    return this.facts.mostOutput(this.operation);
  }

  get soundTokens(): number {
    const form = this.operation === 'audio' ? this.forwarded?.form : undefined;
    return (this.knownSoundTokens ??= form === undefined ? 0 : soundTokensOf(form));
  }

  get pictures(): FormPictures | undefined {
    const form = this.operation === 'images' ? this.forwarded?.form : undefined;
    return (this.knownPictures ??= form && picturesOf(form));
  }
}

/** Those of a call without a body. */
const NO_FACTS = new BodyFacts({});

/** A call of the caller's own function: it has no body, only options. */
export class CustomCallRequest implements CallRequest {
  readonly startedAtMs = performance.now();
  readonly operation: string;
  readonly context: RequestContext | undefined;
  readonly promptTokens: number | undefined;
  readonly isLarge = false;
  readonly counted = undefined;
  readonly maxTokens: number | undefined;
  readonly facts = NO_FACTS;

  /** @throws InvalidArgumentError naming the argument or option. */
  constructor(
    readonly model: string,
    send: unknown,
    readonly options: CallOptions & { readonly operation?: string },
    readonly stream: boolean,
  ) {
    checkString('model', model, refuseArgument);
    checkFunction('send', send as () => unknown, refuseArgument);
    checkObject('options', options, refuseArgument);
    checkCallOptions(options);
    const { operation = 'chat', routing } = options;
    this.operation = checkString('options.operation', operation, refuseArgument);
    this.context = options.request ? RequestContext.of(options.request) : undefined;
    this.promptTokens = routing?.inputTokens;
    this.maxTokens = routing?.maxTokens;
  }
}

/** Whether it asks for the usage of its stream. */
function asksUsage({ stream_options: options }: ModelRequest): boolean {
  return (options as { readonly include_usage?: unknown } | null | undefined)?.include_usage === true;
}

/** Checks each model once, although a body can name it in several places. */
function askedOnce(mayCall: (model: string) => boolean): (model: string) => boolean {
  const answers = new Map<string, boolean>();
  return (model) => {
    const known = answers.get(model) ?? mayCall(model);
    answers.set(model, known);
    return known;
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function withoutCount({ routing, ...options }: CallOptions): CallOptions {
  if (routing === undefined) return options;
  const kept: Writable<typeof routing> = { ...routing };
  delete kept.inputTokens;
  return { ...options, routing: kept };
}

const FALLBACK_OPTIONS = ['fallbacks', 'contextWindowFallbacks', 'contentPolicyFallbacks'] as const;

/** `null` counts as absent. @throws InvalidArgumentError naming the option. */
function checkCallOptions(options: CallOptions): void {
  const { request, routing, timeoutMs, streamTimeoutMs, numRetries, mayCall, tenant, queueClass } = options;
  if ((request ?? undefined) !== undefined) checkObject('request', request, refuseArgument);
  if ((routing ?? undefined) !== undefined) checkRouting(routing);
  if ((timeoutMs ?? undefined) !== undefined) checkTime('timeoutMs', timeoutMs);
  if ((streamTimeoutMs ?? undefined) !== undefined) checkTime('streamTimeoutMs', streamTimeoutMs);
  if ((numRetries ?? undefined) !== undefined) checkInteger('numRetries', numRetries, { min: 0 }, refuseArgument);
  for (const name of FALLBACK_OPTIONS) if ((options[name] ?? undefined) !== undefined) readFallbacks(name, options[name], refuseArgument);
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
