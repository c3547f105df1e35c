import { TwinMeasurement } from './comparison.js';

describe('the measurement of the TypeScript token counter', () => {
  it('is left out where its thread is missing, and says so once', async () => {
    const warnings: string[] = [];
    const recorder = { series: () => ({ sampled: () => false, record: () => {} }) };
    const judge = jest.fn();
    const twins = new TwinMeasurement(
      'cl100k_base',
      recorder,
      { judge },
      { warn: (line) => warnings.push(line) },
      '/nowhere/twin.thread.js',
    );
    await twins.measure();
    expect(twins.measure()).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringMatching(/^measuring the TypeScript token counter needs twin\.thread\.js, which is not there: /),
    ]);
    expect(judge).not.toHaveBeenCalled();
  });
});
