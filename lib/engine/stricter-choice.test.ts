import { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';
import type { FeatureFlagsOptions } from '../feature-flags/feature-flags.options.js';
import { StricterChoice } from './stricter-choice.js';
import { SwitchingEngine } from './switching-engine.js';

interface Named {
  readonly name: string;
}
const native: Named = { name: 'native' };
const typescript: Named = { name: 'typescript' };
const silent = { log: () => {}, warn: () => {}, error: () => {} };

function setUp(features: FeatureFlagsOptions['features']) {
  const flags = new FeatureFlagsService({ features, errorThreshold: 1 }, { env: {}, logger: silent });
  const general = new SwitchingEngine<Named>('rust_token_counting', { native: native, typescript: typescript, reason: 'loaded' }, flags);
  return { flags, choice: new StricterChoice(general, general.under('batch_token_counting')) };
}

describe('StricterChoice', () => {
  it.each<[FeatureFlagsOptions['features'], string, Named | null]>([
    [{}, 'batch_token_counting', native],
    [{ rust_token_counting: false }, 'rust_token_counting', typescript],
    [{ batch_token_counting: false }, 'batch_token_counting', typescript],
    [{ rust_token_counting: 'canary:50' }, 'rust_token_counting', null],
    [{ rust_token_counting: 'canary:50', batch_token_counting: false }, 'batch_token_counting', typescript],
    [{ rust_token_counting: false, batch_token_counting: 'shadow' }, 'rust_token_counting', typescript],
  ])('is governed by the stricter flag: %j', (features, feature, always) => {
    const { choice } = setUp(features);
    expect(choice).toMatchObject({ feature, always, native, typescript });
    expect(choice.active).toBe(always === native ? 'native' : 'typescript');
  });

  it('sends a canary of batches to native by its own share', async () => {
    const { choice, flags } = setUp({ batch_token_counting: 'canary:50' });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const expected = flags.isEnabled('batch_token_counting', id) ? 'native' : 'typescript';
      expect(choice.run('count_batch', id, (engine) => engine.name)).toBe(expected);
      await expect(choice.runAsync('count_batch', id, (engine) => Promise.resolve(engine.name))).resolves.toBe(expected);
    }
  });

  it('counts a failure of batches against batches alone', () => {
    const { choice, flags } = setUp({});
    expect(choice.recover(new Error('panicked'), native, (engine) => engine.name)).toBe('typescript');
    expect(flags.isEnabled('batch_token_counting')).toBe(false);
    expect(flags.isEnabled('rust_token_counting')).toBe(true);
    expect(choice).toMatchObject({
      always: typescript,
      impaired: true,
      reason: 'batch_token_counting is tripped after 1 native errors',
    });
  });
});
