import { parentPort, workerData } from 'node:worker_threads';
import { calibrationOf, ROUNDS_TO_COMPARE } from '../../engine/calibration.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { countingCases } from './calibration.js';
import type { EncodingName } from './engine.js';
import { TOKEN_COUNTER_RECIPE } from './engine-provider.js';
import type { TwinFigures } from './comparison.js';

/** The thread's work: both engines, one after the other, without a break. */
function measureTwins(encoding: EncodingName): TwinFigures {
  const { feature, native, typescript } = TOKEN_COUNTER_RECIPE;
  const { binding } = openNativeBinding();
  const times: [string, string, number][] = [];
  const medians: [number, number, number][] = [];
  const subject = {
    feature,
    native: binding === null ? null : native(binding),
    typescript: typescript(),
    speeds: {
      judge: (...[sizeClass, nativeMs, typescriptMs]: [number, number, number, unknown]) =>
        void medians.push([sizeClass, nativeMs, typescriptMs]),
    },
  };
  const cases = countingCases(encoding).map(({ operation, sizeClass, prepare }) => ({ operation, sizeClass, prepare }));
  const recorder = {
    series: (component: string, operation: string) => ({
      sampled: () => true,
      record: (ms: number) => void times.push([component, operation, ms]),
    }),
  };
  const steps = calibrationOf(subject, cases, ROUNDS_TO_COMPARE)(recorder);
  while (steps.next().done !== true);
  return { times, medians };
}

parentPort?.postMessage(measureTwins(workerData as EncodingName));
