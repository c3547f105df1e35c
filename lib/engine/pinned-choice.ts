import type { EngineName } from '../common/capability.js';
import type { EngineChoice } from './engine-choice.js';

/** TypeScript for good, whatever the flag says later: for state that began there and must not be split. */
export class PinnedChoice<E extends object> implements EngineChoice<E> {
  readonly native = null;
  readonly active: EngineName = 'typescript';
  readonly impaired = false;
  readonly typescript: E;
  readonly always: E;

  constructor(
    readonly feature: string,
    typescript: E,
    readonly reason: string,
  ) {
    this.typescript = this.always = typescript;
  }

  alwaysFor(): E {
    return this.typescript;
  }

  forWhole(): this {
    return this;
  }

  assigned(): EngineName {
    return 'typescript';
  }

  run<R>(_operation: string, _requestId: string | undefined, call: (engine: E) => R): R {
    return call(this.typescript);
  }

  runAsync<R>(_operation: string, _requestId: string | undefined, call: (engine: E) => Promise<R>): Promise<R> {
    return call(this.typescript);
  }

  recover<R>(error: unknown): R {
    throw error;
  }
}
