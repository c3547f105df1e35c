import type { EngineName } from '../common/capability.js';
import { SILENT_RECORDER, type CallRecorder, type CallSeries } from '../common/recorder.js';
import type { ShadowRecorder } from './shadow.js';

/** Records the calls and shadow runs of engines: the performance monitor. */
export interface EngineRecorder extends CallRecorder, ShadowRecorder {}

/** The series of one operation, by the engine that answers. */
export type EngineSeries = Readonly<Record<EngineName, CallSeries>>;

/** `token_counting`, of `rust_token_counting` and `batch_token_counting`. */
export function capabilityOf(feature: string): string {
  return feature.replace(/^(rust|batch)_/, '');
}

/** The component that an engine's calls are recorded under: `rust_token_counting`. */
export function componentOf(capability: string, engine: EngineName): string {
  return `${engine === 'native' ? 'rust' : 'typescript'}_${capability}`;
}

/** The series of one operation, for callers to keep. Measures nothing without a recorder. */
export function engineSeries(recorder: CallRecorder = SILENT_RECORDER, capability: string, operation: string): EngineSeries {
  return {
    native: recorder.series(componentOf(capability, 'native'), operation),
    typescript: recorder.series(componentOf(capability, 'typescript'), operation),
  };
}
