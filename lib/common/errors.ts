import { types } from 'node:util';
import { shortened, visibleText } from './visible-text.js';

/** Characters of a path or a rule. */
const LONGEST_PART = 1000;

/**
 * Base of all errors of this package. `code` is stable, for programs; `message` is for people and
 * may change.
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

/** Passed instead of a value if the rule describes the fault. */
export const NO_VALUE = Symbol('no value');

/**
 * An invalid argument. Never causes a fallback to TypeScript, because both engines reject it.
 * `path` names the argument or option (`rateLimit.requestsPerMinute`), `rule` states the
 * requirement.
 */
export class InvalidArgumentError extends FastLiteLLMError {
  /** Path of the invalid value: `messages[2].content`. */
  readonly path: string;
  /** The requirement that the value violates. */
  readonly rule: string;

  constructor(path: string, value: unknown, rule: string, code = 'INVALID_ARGUMENT') {
    // A body can have any keys, and rules quote parts of it.
    const [shortPath, shortRule] = [shortened(path, LONGEST_PART), shortened(rule, LONGEST_PART)];
    super(code, `${visibleText(shortPath)}: ${shortRule}${gotValue(value)}`);
    this.path = shortPath;
    this.rule = shortRule;
  }
}

/**
 * Invalid options, environment or configuration file, at boot; or a deployment without an address,
 * when it is called.
 */
export class InvalidConfigurationError extends FastLiteLLMError {
  /**
   * Path of the invalid value: `FAST_LITELLM_RUST_ROUTING`, `/etc/flags.json:
   * features.rust_routing.state`, `tokenCounter.maxTextLength`.
   */
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super('INVALID_CONFIGURATION', `${visibleText(path)}: ${message}`, options);
    this.path = path;
  }
}

/** `engine: 'native'` is set and the addon could not be loaded. */
export class NativeEngineUnavailableError extends FastLiteLLMError {
  readonly reason: string;

  constructor(reason: string) {
    super('NATIVE_ENGINE_UNAVAILABLE', `the native engine is required but cannot be used: ${reason}`);
    this.reason = reason;
  }
}

/** A feature needs an optional peer dependency that is not installed. */
export class MissingPackageError extends FastLiteLLMError {
  readonly packageName: string;

  constructor(packageName: string, purpose: string, options?: ErrorOptions) {
    super('MISSING_PACKAGE', `${purpose} requires ${packageName}, which is not installed: npm install ${packageName}`, options);
    this.packageName = packageName;
  }
}

/**
 * A database cannot be reached (`DATABASE_UNAVAILABLE`), a statement failed (`DATABASE_FAILED`), or
 * migrations are missing (`DATABASE_NOT_MIGRATED`). Messages have no values and no login.
 */
export class DatabaseError extends FastLiteLLMError {
  constructor(code: 'DATABASE_UNAVAILABLE' | 'DATABASE_FAILED' | 'DATABASE_NOT_MIGRATED', message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

/** A file of this package is missing, for example after bundling. */
export class MissingFileError extends FastLiteLLMError {
  readonly file: string;

  constructor(file: string, purpose: string, options?: ErrorOptions) {
    const advice = 'if the app is bundled, mark nestjs-fast-litellm and tiktoken as external packages';
    super('MISSING_FILE', `${purpose} requires ${file}, which does not exist; ${advice}`, options);
    this.file = file;
  }
}

/** The service of a guardrail did not answer: no connection, a timeout, or status 502 to 504. */
export class GuardrailUnreachableError extends FastLiteLLMError {
  constructor(message: string, options?: ErrorOptions) {
    super('GUARDRAIL_UNREACHABLE', message, options);
  }
}

/** No connection became free in time. */
export class PoolTimeoutError extends FastLiteLLMError {
  readonly origin: string;
  /** The time that the request waited for a connection, in milliseconds. */
  readonly timeoutMs: number;

  constructor(origin: string, timeoutMs: number) {
    super(
      'POOL_TIMEOUT',
      `no connection to ${origin} became free within ${timeoutMs} ms; ` +
        'raise connectionPool.maxConnectionsPerEndpoint and maxConnections to allow more concurrent calls',
    );
    this.origin = origin;
    this.timeoutMs = timeoutMs;
  }
}

/**
 * The pool is draining: it grants no new leases, and at the deadline closes connections that are
 * still leased.
 */
export class PoolClosedError extends FastLiteLLMError {
  readonly origin: string;

  constructor(origin: string) {
    super('POOL_CLOSED', `the connection pool is closed, so it has no connection to ${origin}`);
    this.origin = origin;
  }
}

/**
 * A response was not read for `bodyTimeoutMs` after its lease ended, so its connection was closed.
 */
export class BodyAbandonedError extends FastLiteLLMError {
  readonly origin: string;

  constructor(origin: string, timeoutMs: number) {
    super('BODY_ABANDONED', `the response from ${origin} was not read for ${timeoutMs} ms`);
    this.origin = origin;
  }
}

/** A proxy rejected the tunnel to an `https:` endpoint. */
export class ProxyRefusedError extends FastLiteLLMError {
  /** Status of the proxy's response; 407 means that the proxy requires credentials. */
  readonly statusCode: number;

  constructor(statusCode: number) {
    super('PROXY_REFUSED', `the proxy rejected the tunnel (status ${statusCode})`);
    this.statusCode = statusCode;
  }
}

/**
 * The client disconnected or aborted its signal before the answer. The signal's reason is the
 * `cause`.
 */
export class RequestCancelledError extends FastLiteLLMError {
  constructor(reason: unknown) {
    const why = types.isNativeError(reason) ? reason.message : 'its signal was aborted';
    super('REQUEST_CANCELLED', `the request was cancelled: ${why}`, { cause: reason });
  }
}

/** Replaces a text in an error message, because it could be a secret. */
export class UnshownText {
  constructor(readonly length: number) {}
}

/** A value for an error message that does not show a text, which may be a secret. */
export function unshown(value: unknown): unknown {
  return typeof value === 'string' ? new UnshownText(value.length) : value;
}

const LARGEST_SHOWN = 10n ** 40n;

/**
 * A value for an error message. Strings are cut, objects are named but not printed: they may hold
 * secrets.
 */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return value > -LARGEST_SHOWN && value < LARGEST_SHOWN ? `${value}n` : 'a bigint of more than 40 digits';
    case 'object':
      return value === null ? 'null' : describeObject(value);
    default:
      return `a ${typeof value}`;
  }
}

/** The end of an error's message: what there was instead of a right value. */
export function gotValue(value: unknown): string {
  return value === NO_VALUE ? '' : `, got ${describeValue(value)}`;
}

/** Asks the prototype, since a body from outside may have a `constructor` of its own. */
function describeObject(value: object): string {
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    if (value instanceof UnshownText) return `a string of ${value.length} characters`;
    const name: unknown = (Object.getPrototypeOf(value) as object | null)?.constructor.name;
    return `an object (${typeof name === 'string' ? name : 'no prototype'})`;
  } catch {
    // A proxy or getter that throws must not replace the error that is being created.
    return 'an object';
  }
}

/**
 * The first line of an error's message. Not by `instanceof`: errors of the addon may belong to
 * another realm.
 */
export function errorMessage(error: unknown): string {
  if (!types.isNativeError(error) && !(error instanceof Error)) return `a value that is not an Error was thrown: ${describeValue(error)}`;
  const message: unknown = error.message;
  return typeof message === 'string' ? message.split('\n', 1)[0] : `the error message is ${describeValue(message)}`;
}
