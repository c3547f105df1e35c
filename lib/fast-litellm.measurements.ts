import type { LogSink } from './common/log-sink.js';
import { Once } from './common/once.js';
import type { CallRecorder } from './common/recorder.js';
import {
  calibrate,
  calibrationOf,
  ROUNDS_TO_COMPARE,
  type CalibrationCase,
  type CalibrationMode,
  type CalibrationSteps,
} from './engine/calibration.js';
import { capabilityOf, componentOf } from './engine/engine-series.js';
import type { SwitchingEngine } from './engine/switching-engine.js';
import { countingCases } from './token-counter/engine/calibration.js';
import type { EncodingName, TokenCounterEngine } from './token-counter/engine/engine.js';
import { TwinMeasurement } from './token-counter/engine/comparison.js';

/** Both engines of each capability side by side: a little after boot, and the rest when they are first compared. */
export class EngineMeasurements {
  private readonly afterBoot: CalibrationSteps[] = [];
  /** By native component: measures both, once. */
  private readonly whenAsked = new Map<string, () => Promise<void> | undefined>();
  private readonly onClose: (() => void)[] = [];

  constructor(
    private readonly mode: CalibrationMode,
    private readonly recorder: CallRecorder,
    private readonly logger: LogSink,
  ) {}

  /** Engines that cost little to make ready are measured here, between other work. */
  add<E extends object>(choice: SwitchingEngine<E>, cases: readonly CalibrationCase<E>[]): void {
    if (this.mode === 'off' || choice.native === null) return;
    this.afterBoot.push(calibrationOf(choice, cases));
    const comparison = new Once(() => this.inTurns(calibrationOf(choice, cases, ROUNDS_TO_COMPARE)));
    this.whenAsked.set(componentOf(capabilityOf(choice.feature), 'native'), () => comparison.run());
  }

  /** The TypeScript twin of token counting is measured in a thread: when asked for, in mode `full`, or where native is suspiciously slow. */
  addTokenCounting(choice: SwitchingEngine<TokenCounterEngine>, encoding: EncodingName): void {
    if (this.mode === 'off' || choice.native === null) return;
    const twins = new TwinMeasurement(encoding, this.recorder, choice.speeds, this.logger);
    const apart = (): void => void twins.measure();
    const { feature, native, typescript, speeds } = choice;
    this.afterBoot.push(calibrationOf({ feature, native, typescript, speeds, apart }, countingCases(encoding)));
    this.whenAsked.set(componentOf(capabilityOf(feature), 'native'), () => twins.measure());
    this.onClose.push(() => twins.close());
    if (this.mode === 'full') apart();
  }

  /** Begins with what is measured after boot. */
  start(): void {
    this.onClose.push(calibrate(this.afterBoot, this.mode, this.recorder));
  }

  /** For `PerformanceMonitorContext`. */
  measure(rustComponent: string, typescriptComponent: string): Promise<void> | undefined {
    if (rustComponent.replace(/^rust_/, 'typescript_') !== typescriptComponent) return undefined;
    return this.whenAsked.get(rustComponent)?.();
  }

  /** Ends whatever runs. */
  close(): void {
    this.whenAsked.clear();
    for (const end of this.onClose.splice(0)) end();
  }

  private inTurns(steps: CalibrationSteps): Promise<void> {
    return new Promise((resolve) => this.onClose.push(calibrate([steps], 'full', this.recorder, resolve)));
  }
}
