import { FastLiteLLMError } from '../common/errors.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { EncodingName, TokenCounterEngine } from '../token-counter/engine/engine.js';

/**
 * Answers instead of a library, using only the native engine. While that is disabled, in a partial
 * rollout, in a shadow run or failing, there is no answer, and the library answers.
 */
export class NativeTokenizer {
  private readonly handles = new Map<EncodingName, number>();

  constructor(readonly choice: EngineChoice<TokenCounterEngine>) {}

  encode(text: string, encoding: EncodingName): Uint32Array | undefined {
    return this.ask('encode', (engine) => engine.encode(text, this.handle(engine, encoding)));
  }

  count(text: string, encoding: EncodingName): number | undefined {
    return this.ask('count', (engine) => engine.count(text, this.handle(engine, encoding)));
  }

  /** The count up to `limit`; any larger number above it. */
  countUpTo(text: string, encoding: EncodingName, limit: number): number | undefined {
    return this.ask('count_up_to', (engine) => engine.countUpTo(text, this.handle(engine, encoding), limit));
  }

  /** @param ids Only ordinary tokens of the encoding. */
  decode(ids: Uint32Array, encoding: EncodingName): Uint8Array | undefined {
    return this.ask('decode', (engine) => engine.decode(ids, this.handle(engine, encoding)));
  }

  private ask<R>(operation: string, call: (engine: TokenCounterEngine) => R): R | undefined {
    const { always, native } = this.choice;
    if (native === null) return undefined;
    try {
      if (always === native) return call(native);
    } catch (error) {
      if (!(error instanceof FastLiteLLMError)) this.choice.recover(error, native, () => undefined);
      return undefined;
    }
    // A tripped feature gets its half-open call here. A shadow run has nothing to compare with.
    if (always !== null || this.choice.assigned(undefined) === 'both') return undefined;
    return this.choice.run(operation, undefined, (engine) => (engine === native ? call(engine) : undefined));
  }

  private handle(engine: TokenCounterEngine, encoding: EncodingName): number {
    let handle = this.handles.get(encoding);
    if (handle === undefined) this.handles.set(encoding, (handle = engine.load(encoding)));
    return handle;
  }
}
