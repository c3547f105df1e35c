import type { EngineName } from '../common/capability.js';
import { measure, type CallRecorder } from '../common/recorder.js';
import type { EngineChoice } from './engine-choice.js';
import { EngineSeries } from './engine-series.js';

/**
 * How a service calls its engine: directly while one engine answers all calls, and recorded as it
 * is sampled.
 */
export class EngineCalls<E extends { readonly engine: EngineName }> {
  private readonly known = new Map<string, EngineSeries>();

  constructor(
    private readonly choice: EngineChoice<E>,
    private readonly capability: string,
    private readonly recorder?: CallRecorder,
  ) {}

  /** The series of an operation, for hot paths to keep. */
  series(operation: string): EngineSeries {
    let series = this.known.get(operation);
    if (series === undefined) this.known.set(operation, (series = new EngineSeries(this.recorder, this.capability, operation)));
    return series;
  }

  /** As `EngineChoice.run`. */
  run<R>(operation: string, requestId: string | undefined, call: (engine: E) => R, size?: number): R {
    const engine = size === undefined ? this.choice.always : this.choice.alwaysFor(size);
    if (engine === null) return this.choice.run(operation, requestId, call, size);
    const series = this.series(operation).of(engine);
    return series.sampled() ? measure(series, () => this.attempt(engine, call), size) : this.attempt(engine, call);
  }

  /** Calls this engine; TypeScript answers if the native engine fails. */
  attempt<R>(engine: E, call: (engine: E) => R): R {
    try {
      return call(engine);
    } catch (error) {
      return this.choice.recover(error, engine, call);
    }
  }
}
