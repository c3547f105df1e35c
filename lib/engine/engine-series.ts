import type { EngineName } from '../common/capability.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';
import type { ShadowRecorder } from './shadow.js';

/** Records the calls and shadow runs of engines: the performance monitor. */
export interface EngineRecorder extends CallRecorder, ShadowRecorder {}

/** `token_counting`, of `rust_token_counting` and `batch_token_counting`. */
export function capabilityOf(feature: string): string {
  return feature.replace(/^(rust|batch)_/, '');
}

/** The component that an engine's calls are recorded under: `rust_token_counting`. */
export function componentOf(capability: string, engine: EngineName): string {
  return `${engine === 'native' ? 'rust' : 'typescript'}_${capability}`;
}

/**
 * The series of one operation, by the engine that answers.
 *
 * @example
 * const series = this.counts.of(engine);
 * if (series.sampled()) return this.measured(series, engine, text);
 */
export class EngineSeries {
  readonly native: CallSeries;
  readonly typescript: CallSeries;

  constructor(recorder: CallRecorder = SILENT_RECORDER, capability: string, operation: string) {
    this.native = recorder.series(componentOf(capability, 'native'), operation);
    this.typescript = recorder.series(componentOf(capability, 'typescript'), operation);
  }

  of({ engine }: { readonly engine: EngineName }): CallSeries {
    return engine === 'native' ? this.native : this.typescript;
  }
}
