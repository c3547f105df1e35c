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
  /** Where the wrong value is: `messages[2].content`. */
  readonly path: string;
  /** The rule that it breaks. */
  readonly rule: string;

  constructor(path: string, value: unknown, rule: string, code = 'INVALID_ARGUMENT') {
    super(code, `${path}: ${rule}, got ${describeValue(value)}`);
    this.path = path;
    this.rule = rule;
  }
}

/** The configuration is wrong: options, environment or a file, at boot, before anything has started; or a deployment that is called and has no address. */
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

/** A file of a package is not where its code is: a bundler took the code and left the file behind. */
export class MissingFileError extends FastLiteLLMError {
  readonly file: string;

  constructor(file: string, purpose: string, options?: ErrorOptions) {
    const advice = 'if the app is bundled, leave nestjs-fast-litellm and tiktoken out of the bundle, as external packages';
    super('MISSING_FILE', `${purpose} needs ${file}, which is not there: ${advice}`, options);
    this.file = file;
  }
}

/** No connection came free in time. */
export class PoolTimeoutError extends FastLiteLLMError {
  readonly origin: string;
  /** How long the request waited for a connection. */
  readonly timeoutMs: number;

  constructor(origin: string, timeoutMs: number) {
    super('POOL_TIMEOUT', `no connection to ${origin} came free within ${timeoutMs} ms`);
    this.origin = origin;
    this.timeoutMs = timeoutMs;
  }
}

/** The pool is being drained: no new leases, and what is leased at the deadline is closed. */
export class PoolClosedError extends FastLiteLLMError {
  readonly origin: string;

  constructor(origin: string) {
    super('POOL_CLOSED', `the connection pool is closed, there is no connection to ${origin}`);
    this.origin = origin;
  }
}

/** Nobody read an answer for `bodyTimeoutMs` after its lease had ended, so its connection was closed. */
export class BodyAbandonedError extends FastLiteLLMError {
  readonly origin: string;

  constructor(origin: string, timeoutMs: number) {
    super('BODY_ABANDONED', `nobody read the answer of ${origin} for ${timeoutMs} ms`);
    this.origin = origin;
  }
}

/** A proxy does not open the tunnel that an `https:` endpoint needs. */
export class ProxyRefusedError extends FastLiteLLMError {
  /** Of its answer: 407 asks for a user and password. */
  readonly statusCode: number;

  constructor(statusCode: number) {
    super('PROXY_REFUSED', `the proxy refused a tunnel with the status ${statusCode}`);
    this.statusCode = statusCode;
  }
}

/** The caller of a model has gone, or has aborted its signal, before the answer was there. What the signal gave as reason is the `cause`. */
export class RequestCancelledError extends FastLiteLLMError {
  constructor(reason: unknown) {
    const why = types.isNativeError(reason) ? reason.message : 'its signal was aborted';
    super('REQUEST_CANCELLED', `the request was cancelled: ${why}`, { cause: reason });
  }
}

/** Stands for a text in an error message that nobody knows the meaning of: it may be a secret. */
export class UnshownText {
  constructor(readonly length: number) {}
}

const LARGEST_SHOWN = 10n ** 40n;

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
      return value > -LARGEST_SHOWN && value < LARGEST_SHOWN ? `${value}n` : 'a bigint of more than 40 digits';
    case 'object':
      return value === null ? 'null' : describeObject(value);
    default:
      return `a ${typeof value}`;
  }
}

/** Asks the prototype, since a body from outside may have a `constructor` of its own. */
function describeObject(value: object): string {
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    if (value instanceof UnshownText) return `a string of ${value.length} characters`;
    const name: unknown = (Object.getPrototypeOf(value) as object | null)?.constructor.name;
    return `an object (${typeof name === 'string' ? name : 'no prototype'})`;
  } catch {
    // A proxy, or a getter, that throws: the error that is being made is the one to tell.
    return 'an object';
  }
}

/** The first line of a thrown thing's message. Not by `instanceof`: an addon's errors may belong to another realm than the caller. */
export function errorMessage(error: unknown): string {
  if (!types.isNativeError(error) && !(error instanceof Error)) return `thrown was ${describeValue(error)}`;
  const message: unknown = error.message;
  return typeof message === 'string' ? message.split('\n', 1)[0] : `its message is ${describeValue(message)}`;
}
