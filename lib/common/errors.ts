import { HttpException } from '@nestjs/common';
import { types } from 'node:util';

/**
 * Every error this package throws. `code` is stable and meant for programs; `message` is meant for people and may be reworded.
 */
export class FastLiteLLMError extends Error {
  /** Stable, machine-readable. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * A caller passed something that can never work. Never a reason to fall back to the other engine: both refuse it alike.
 * `path` names the argument or option (`rateLimit.requestsPerMinute`), `rule` what it has to be.
 */
export class InvalidArgumentError extends FastLiteLLMError {
  readonly path: string;
  readonly rule: string;

  constructor(path: string, value: unknown, rule: string, code = 'INVALID_ARGUMENT') {
    super(code, `${path}: ${rule}, got ${describeValue(value)}`);
    this.path = path;
    this.rule = rule;
  }
}

/** The configuration is wrong: options, environment or a file. Thrown at boot, before anything has started. */
export class InvalidConfigurationError extends FastLiteLLMError {
  /** Where: `FAST_LITELLM_RUST_ROUTING`, `/etc/flags.json: features.rust_routing.state`, `tokenCounter.maxTextLength`. */
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super('INVALID_CONFIGURATION', `${path}: ${message}`, options);
    this.path = path;
  }
}

/** `engine: 'native'` was asked for and the addon could not be opened. */
export class NativeEngineUnavailableError extends FastLiteLLMError {
  readonly reason: string;

  constructor(reason: string) {
    super('NATIVE_ENGINE_UNAVAILABLE', `the native engine was asked for but cannot be used: ${reason}`);
    this.reason = reason;
  }
}

/** Something was asked for that needs a package which is not installed: an optional peer of this one. */
export class MissingPackageError extends FastLiteLLMError {
  readonly packageName: string;

  constructor(packageName: string, purpose: string, options?: ErrorOptions) {
    super('MISSING_PACKAGE', `${purpose} needs ${packageName}, which is not installed: npm install ${packageName}`, options);
    this.packageName = packageName;
  }
}

/** What a `RateLimitExceededError` is about. */
export interface RateLimitRefusal {
  /** The limits that refused: a name of `rateLimit.limits`, or of a rule. */
  readonly limitName: string;
  /** Which of them: `minute`, `tokens`; absent when the counters could not be reached and refusing is the configured answer. */
  readonly exceeded?: string;
  /** Its figure. */
  readonly limit?: number;
  /** Until the same request would pass; absent where waiting does not help. */
  readonly retryAfterMs?: number;
}

const REFUSED_BY: Readonly<Record<string, string>> = {
  second: 'requests per second',
  minute: 'requests per minute',
  hour: 'requests per hour',
  day: 'requests per day',
  window: 'requests in its window',
  tokens: 'tokens per minute',
  concurrency: 'requests at a time',
};

/** A request that a rate limit refuses: 429 in OpenAI's shape. 503 where the counters could not be reached. */
export class RateLimitExceededError extends HttpException implements RateLimitRefusal {
  /** Stable, machine-readable. */
  readonly code: 'RATE_LIMIT_EXCEEDED' | 'RATE_LIMIT_UNAVAILABLE';
  readonly limitName: string;
  readonly exceeded?: string;
  readonly limit?: number;
  readonly retryAfterMs?: number;

  constructor({ limitName, exceeded, limit, retryAfterMs }: RateLimitRefusal) {
    const seconds = retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000);
    const wait = seconds === undefined ? '' : ` Please try again in ${seconds} s.`;
    const known = exceeded !== undefined;
    const message = known
      ? `Rate limit reached: ${limit} ${REFUSED_BY[exceeded]} (${limitName}).${wait}`
      : `The rate limit (${limitName}) cannot be checked at the moment.${wait}`;
    const type = !known ? 'server_error' : exceeded === 'tokens' ? 'tokens' : 'requests';
    const code = known ? 'rate_limit_exceeded' : 'rate_limit_unavailable';
    super({ error: { message, type, param: null, code } }, known ? 429 : 503);
    this.name = new.target.name;
    this.message = message;
    this.code = known ? 'RATE_LIMIT_EXCEEDED' : 'RATE_LIMIT_UNAVAILABLE';
    this.limitName = limitName;
    this.exceeded = exceeded;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A value for an error message: its type and a short form of it. Strings are cut, objects are named, never printed: they may hold secrets. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of ${value.length}`;
      return `an object (${value.constructor?.name ?? 'no prototype'})`;
    default:
      return `a ${typeof value}`;
  }
}

/** The first line of a thrown thing's message. Not by `instanceof`: an addon's errors may belong to another realm than the caller. */
export function errorMessage(error: unknown): string {
  return types.isNativeError(error) || error instanceof Error ? error.message.split('\n', 1)[0] : `thrown was ${describeValue(error)}`;
}
