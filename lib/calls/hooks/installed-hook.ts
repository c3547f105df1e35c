import { AsyncLocalStorage } from 'node:async_hooks';
import { InvalidArgumentError } from '../../common/errors.js';
import { CallDeniedError, CallHookFailedError } from '../../common/http-errors.js';
import type { LogSink } from '../../common/log-sink.js';
import type { BuiltInHook } from './built-in-hook.js';
import type { HookedCall, ResolvedCallHookOptions } from './call-hook.js';

/** A hook's method in progress. */
interface RunningHook {
  readonly hook: InstalledHook;
  readonly outer: RunningHook | undefined;
  isOver: boolean;
}

/**
 * The hook whose code makes a call. Up to Node 22 every promise of the process takes twice as long
 * while it is enabled, so it is disabled while no hook runs.
 */
const running = new AsyncLocalStorage<RunningHook>();
let runningCount = 0;
/** The hook whose method runs now, where that returns no promise: no storage is needed. */
let immediate: RunningHook | undefined;

function current(): RunningHook | undefined {
  return immediate ?? running.getStore();
}

function enter<R>(entered: RunningHook, run: () => R): R {
  const outer = immediate;
  immediate = undefined;
  runningCount++;
  try {
    return running.run(entered, run);
  } finally {
    immediate = outer;
  }
}

function leave(entered: RunningHook): void {
  if (entered.isOver) return;
  entered.isOver = true;
  if (--runningCount === 0) running.disable();
}

/** Consequence of an observer's failure. */
const UNOBSERVED = 'calls continue without the hook';

/** The methods whose result decides about the call. */
export type GuardMethod = 'onRequest' | 'duringCall' | 'onText' | 'onToolName' | 'onAnswer';
type Method = keyof BuiltInHook;

/** A hook's error, described without quoting content. */
export class HookFault extends Error {}

/** One guard's turn. */
export interface GuardTurn<T> {
  readonly method: GuardMethod;
  readonly run: (hook: BuiltInHook) => unknown;
  /** Reads what `run` gave. @throws CallDeniedError; any other error for a senseless verdict */
  readonly read: (verdict: unknown) => T;
  /** Verdict if the guard fails and the call continues. */
  readonly unguarded: T;
  /** Told when that happens. */
  readonly onUnguarded?: () => void;
}

/** A hook of a client. Runs its methods, and decides what their failures mean. */
export class InstalledHook {
  /** Failures of its methods. */
  failures = 0;
  private readonly reported = new Set<string>();
  /** Observing methods that have returned, and no promise. */
  private readonly immediate = new Set<Method>();

  constructor(
    readonly name: string,
    private readonly hook: BuiltInHook,
    readonly options: ResolvedCallHookOptions,
    private readonly log: LogSink,
  ) {}

  /** @param call Default: any. */
  has(method: Method, call?: HookedCall): boolean {
    return typeof this.hook[method] === 'function' && (call === undefined || this.hook.takesPart?.(call, method) !== false);
  }

  /** Whether it takes part in a call that begins now: not in one that it makes itself. */
  takesPartIn(operation: string): boolean {
    const { operations } = this.options;
    if (operations !== undefined && !operations.has(operation)) return false;
    for (let each = current(); each !== undefined; each = each.outer) if (each.hook === this && !each.isOver) return false;
    return true;
  }

  /** Whether the hook reads or changes content, and does not only observe calls. */
  get takesPartInContent(): boolean {
    return this.has('onRequest') || this.has('onText') || this.has('onAnswer') || this.has('onEvent');
  }

  /** Reads the properties of a hook, without running it. */
  read<T>(ask: (hook: BuiltInHook) => T): T {
    return ask(this.hook);
  }

  /** Runs a guard, at once if it can. @throws CallDeniedError, CallHookFailedError */
  guard<T>(turn: GuardTurn<T>): T | Promise<T> {
    const entered = this.entered();
    try {
      const verdict = enter(entered, () => turn.run(this.hook));
      if (isThenable(verdict)) return this.guardLater(turn, verdict, entered);
      leave(entered);
      return turn.read(verdict);
    } catch (error) {
      leave(entered);
      return this.unguardedUnlessDenied(turn, error);
    }
  }

  private async guardLater<T>(turn: GuardTurn<T>, verdict: PromiseLike<unknown>, entered: RunningHook): Promise<T> {
    try {
      return turn.read(await this.inTime(verdict));
    } catch (error) {
      return this.unguardedUnlessDenied(turn, error);
    } finally {
      leave(entered);
    }
  }

  private unguardedUnlessDenied<T>({ method, unguarded, onUnguarded }: GuardTurn<T>, error: unknown): T {
    if (error instanceof CallDeniedError || error instanceof CallHookFailedError) throw error;
    onUnguarded?.();
    return this.unguarded(method, error, unguarded);
  }

  /** Runs a method whose errors change nothing, and does not wait for its promise. */
  observe(method: Method, run: (hook: BuiltInHook) => unknown): void {
    if (this.immediate.has(method)) return this.observeNow(method, run);
    const entered = this.entered();
    const over = (): void => leave(entered);
    try {
      const given = enter(entered, () => run(this.hook));
      if (isThenable(given)) return this.observeLater(method, given, over);
      this.immediate.add(method);
      over();
    } catch (error) {
      over();
      this.failed(method, error, UNOBSERVED);
    }
  }

  private observeNow(method: Method, run: (hook: BuiltInHook) => unknown): void {
    const outer = immediate;
    const entered = this.entered();
    immediate = entered;
    try {
      const given = run(this.hook);
      if (!isThenable(given)) return;
      this.immediate.delete(method);
      this.observeLater(method, given, () => {});
    } catch (error) {
      this.failed(method, error, UNOBSERVED);
    } finally {
      entered.isOver = true;
      immediate = outer;
    }
  }

  private observeLater(method: Method, given: PromiseLike<unknown>, over: () => void): void {
    Promise.resolve(given)
      .catch((error: unknown) => this.failed(method, error, UNOBSERVED))
      .finally(over);
  }

  /** A guard cannot check something. @throws CallHookFailedError unless it fails open */
  unguarded<T>(method: GuardMethod, error: unknown, passed: T): T {
    const isClosed = this.options.failure === 'closed';
    this.failed(method, error, `calls that the hook cannot check are ${isClosed ? 'denied with 503' : 'allowed'}`);
    if (isClosed) throw new CallHookFailedError(this.name, error);
    return passed;
  }

  private entered(): RunningHook {
    return { hook: this, outer: current(), isOver: false };
  }

  private async inTime<T>(verdict: PromiseLike<T>): Promise<T> {
    const { timeoutMs } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new HookFault(`no verdict within ${timeoutMs} ms`)), timeoutMs).unref();
    });
    try {
      return await Promise.race([verdict, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Logs the first failure of each method. */
  private failed(method: Method, error: unknown, consequence: string): void {
    this.failures++;
    if (this.reported.has(method)) return;
    this.reported.add(method);
    this.log.error(
      `Call hook: ${this.name}.${method} failed (${described(error)}); ${consequence}; further failures are counted but not logged`,
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

/** The class of a foreign error and where it was thrown: its message may quote a prompt. */
function described(error: unknown): string {
  if (error instanceof HookFault || error instanceof InvalidArgumentError) return error.message;
  if (!(error instanceof Error)) return `threw a ${typeof error}`;
  const place = error.stack?.split('\n').find((line) => line.startsWith('    at '));
  return place === undefined ? error.name : `${error.name} ${place.trim()}`;
}
