import fc from 'fast-check';
import { usuallyOrLong } from '../../test/support/long.js';
import { FEATURES, type FeatureName } from './feature-flags.options.js';
import { rolloutPosition, rolloutSeed } from './feature-flag.js';

const IDS = usuallyOrLong(20_000, 100_000);

describe('rolloutPosition', () => {
  it('never changes between releases', () => {
    expect(FEATURES.map((feature) => rolloutPosition(rolloutSeed(feature), 'request_123').toFixed(6))).toMatchInlineSnapshot(`
      [
        "91.352603",
        "60.926733",
        "10.108876",
        "63.019997",
        "12.123169",
        "54.226600",
        "45.234597",
      ]
    `);
  });

  it('answers the same for the same id, within 0 and 100', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FEATURES), fc.string({ unit: 'binary' }), (feature, id) => {
        const position = rolloutPosition(rolloutSeed(feature), id);
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThan(100);
        expect(rolloutPosition(rolloutSeed(feature), id.split('').join(''))).toBe(position);
      }),
    );
  });

  const cases: [shape: string, feature: FeatureName, id: (i: number) => string, count: number][] = [
    ...FEATURES.map((feature): (typeof cases)[number] => ['counted', feature, (i) => `request_${i}`, IDS]),
    ['bare numbers', 'rust_routing', (i) => String(i), IDS],
    ['counted at the front', 'rust_routing', (i) => `${i}-eu-west-1`, IDS],
    ['hexadecimal', 'rust_routing', (i) => (i * 2654435761).toString(16).padStart(32, '0'), IDS],
    ['every single character', 'rust_routing', (i) => String.fromCharCode(i), 65_536],
  ];
  it.each(cases)('spreads ids evenly: %s, %s', (_, feature, id, count) => {
    const seed = rolloutSeed(feature);
    const positions = Float64Array.from({ length: count }, (_, i) => rolloutPosition(seed, id(i))).sort();
    for (const percent of [0.5, 1, 5, 10, 25, 50, 75, 99.5]) {
      const share = (positions.findIndex((position) => position >= percent) / count) * 100;
      expect(Math.abs(share - percent)).toBeLessThan(1);
    }
  });

  it('does not give two features the same ids', () => {
    const ids = Array.from({ length: IDS }, (_, i) => `request_${i}`);
    const both = ids.filter((id) => FEATURES.slice(0, 2).every((feature) => rolloutPosition(rolloutSeed(feature), id) < 50));
    expect(Math.abs(both.length / ids.length - 0.25)).toBeLessThan(0.01);
  });

  it('distinguishes shares that differ by a tenth of a point', () => {
    const seed = rolloutSeed('rust_routing');
    const between = Array.from({ length: 100_000 }, (_, i) => rolloutPosition(seed, `id-${i}`)).filter((p) => p >= 0.1 && p < 0.2);
    expect(between.length).toBeGreaterThan(50);
    expect(between.length).toBeLessThan(150);
  });
});
