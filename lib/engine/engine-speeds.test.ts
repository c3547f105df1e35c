import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import { EngineSpeeds, type SizeClasses } from './engine-speeds.js';
import { SwitchingEngine } from './switching-engine.js';

const sizes: SizeClasses = { names: ['small', 'large'], of: (size) => (size < 10 ? 0 : 1) };

/** An engine that is busy for so many milliseconds. */
const busyFor = (ms: number) => ({
  work(): void {
    const start = performance.now();
    while (performance.now() - start < ms);
  },
});

describe('shadow runs', () => {
  it('show which engine is slower by what they did side by side', () => {
    const features = { rust_token_counting: 'shadow' } as const;
    const flags = new FeatureFlagsService({ features }, { env: {}, logger: { log() {}, warn() {}, error() {} } });
    const speeds = new EngineSpeeds('rust_token_counting', sizes);
    const choice = new SwitchingEngine('rust_token_counting', busyFor(0.5), busyFor(0), 'a test', flags, undefined, speeds);
    for (let i = 0; i < 64; i++) choice.run('work', 'id', (engine) => engine.work(), 1);
    expect(speeds.all()).toMatchObject([{ kind: 'small', source: 'shadow' }]);
    expect(speeds.prefersTypeScript(1)).toBe(true);
    expect(speeds.prefersTypeScript(100)).toBe(false);
  });
});

describe('a verdict', () => {
  it('needs a margin, and can be taken back', () => {
    const speeds = new EngineSpeeds('rust_routing', sizes);
    speeds.judge(1, 1.1, 1, 'calibration');
    expect(speeds.prefersTypeScript(100)).toBe(false);
    speeds.judge(1, 1.2, 1, 'calibration');
    expect(speeds.prefersTypeScript(100)).toBe(true);
    speeds.judge(1, 0.5, 1, 'shadow');
    expect(speeds.prefersTypeScript(100)).toBe(false);
    expect(speeds.all()).toEqual([]);
  });
});
