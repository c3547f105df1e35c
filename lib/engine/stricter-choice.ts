import type { EngineName } from '../common/capability.js';
import type { EngineChoice } from './engine-choice.js';

/**
 * Two flags over the same engines: native answers only where both allow it. For an operation with
 * its own flag, such as `batch_token_counting`. Errors count for the stricter flag; for the
 * operation's on a tie.
 */
export class StricterChoice<E extends object> implements EngineChoice<E> {
  constructor(
    private readonly general: EngineChoice<E>,
    private readonly own: EngineChoice<E>,
  ) {}

  get feature(): string {
    return this.current.feature;
  }

  get native(): E | null {
    return this.current.native;
  }

  get typescript(): E {
    return this.current.typescript;
  }

  get active(): EngineName {
    return this.current.active;
  }

  get reason(): string {
    return this.current.reason;
  }

  get impaired(): boolean {
    return this.general.impaired || this.own.impaired;
  }

  get always(): E | null {
    return this.current.always;
  }

  alwaysFor(size: number): E | null {
    return this.current.alwaysFor(size);
  }

  assigned(requestId: string | undefined): EngineName | 'both' {
    return this.current.assigned(requestId);
  }

  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R {
    return this.current.run(operation, requestId, call, size);
  }

  runAsync<R>(operation: string, requestId: string | undefined, call: (engine: E) => Promise<R>, size?: number): Promise<R> {
    return this.current.runAsync(operation, requestId, call, size);
  }

  recover<R>(error: unknown, engine: E, call: (engine: E) => R): R {
    return this.current.recover(error, engine, call);
  }

  private get current(): EngineChoice<E> {
    return freedom(this.general) < freedom(this.own) ? this.general : this.own;
  }
}

/** 0: TypeScript for all requests, 1: depends on the request, 2: native for all. */
function freedom<E extends object>({ always, typescript }: EngineChoice<E>): number {
  if (always === null) return 1;
  return always === typescript ? 0 : 2;
}
