import { readCalibrationMode, verdictOf } from './calibration.js';

describe('the verdict', () => {
  const times = (...batches: number[]): number[] => batches.flatMap((ms) => Array.from({ length: 8 }, (_, at) => (at < 3 ? ms * 10 : ms)));

  it('is that of the last two batches, disturbed or not', () => {
    expect(verdictOf(times(9, 3, 3), times(1, 2, 2))).toEqual({ nativeMs: 3, typescriptMs: 2 });
  });

  it('is the one of them that speaks more for native', () => {
    expect(verdictOf(times(4, 2.5), times(2, 2))).toEqual({ nativeMs: 2.5, typescriptMs: 2 });
    expect(verdictOf(times(2.5, 4), times(2, 2))).toEqual({ nativeMs: 2.5, typescriptMs: 2 });
    expect(verdictOf(times(1, 1), times(2, 3))).toEqual({ nativeMs: 1, typescriptMs: 3 });
  });

  it('is none where they contradict each other', () => {
    expect(verdictOf(times(1, 3), times(2, 2))).toBeNull();
    expect(verdictOf(times(3, 1), times(2, 2))).toBeNull();
  });
});

describe('the mode', () => {
  it.each([
    [undefined, undefined, 'on'],
    [true, undefined, 'on'],
    [false, undefined, 'off'],
    ['full', undefined, 'full'],
    ['full', 'off', 'off'],
    [false, ' On ', 'on'],
  ] as const)('of option %p and variable %p is %s', (option, variable, mode) => {
    expect(readCalibrationMode(option, { FAST_LITELLM_CALIBRATE: variable })).toBe(mode);
  });

  it('is refused by the name of who set it', () => {
    expect(() => readCalibrationMode('fast', {})).toThrow(expect.objectContaining({ path: 'calibrate' }));
    expect(() => readCalibrationMode('on', { FAST_LITELLM_CALIBRATE: 'yes' })).toThrow(
      expect.objectContaining({ path: 'FAST_LITELLM_CALIBRATE' }),
    );
  });
});
