import { ExpectedOutputs } from './expected-output.js';

describe('the expected output of a model', () => {
  it('is unknown before 20 answers, then the length that 95 % of the last 100 have not exceeded', () => {
    const outputs = new ExpectedOutputs();
    for (let tokens = 1; tokens < 20; tokens++) outputs.learn('a', 'm', tokens);
    expect(outputs.expected('a', 'm')).toBeUndefined();
    outputs.learn('a', 'm', 1_000);
    expect(outputs.expected('a', 'm')).toBe(19);
    for (let i = 0; i < 100; i++) outputs.learn('a', 'm', i < 94 ? 5 : 50);
    expect(outputs.expected('a', 'm')).toBe(50);
    for (let i = 0; i < 2; i++) outputs.learn('a', 'm', 5);
    expect(outputs.expected('a', 'm')).toBe(50);
    for (let i = 0; i < 100; i++) outputs.learn('a', 'm', 7);
    expect(outputs.expected('a', 'm')).toBe(7);
  });

  it('has a median from the first answer on', () => {
    const outputs = new ExpectedOutputs();
    expect(outputs.median('a', 'm')).toBeUndefined();
    expect(outputs.knows('a', 'm')).toBe(false);
    for (const [tokens, median] of [
      [9, 9],
      [1_000, 9],
      [10, 10],
    ]) {
      outputs.learn('a', 'm', tokens);
      expect(outputs.median('a', 'm')).toBe(median);
    }
    expect([outputs.knows('a', 'm'), outputs.knows('a', 'n'), outputs.knows('b', 'm')]).toEqual([true, false, false]);
  });

  it('is that of the key and the model, and forgets the least recently used', () => {
    const outputs = new ExpectedOutputs();
    const learn = (key: string, model: string, tokens: number): void => {
      for (let i = 0; i < 20; i++) outputs.learn(key, model, tokens);
    };
    learn('a', 'm', 1);
    learn('b', 'm', 2);
    learn('a', 'n', 3);
    expect([outputs.expected('a', 'm'), outputs.expected('b', 'm'), outputs.expected('a', 'n')]).toEqual([1, 2, 3]);
    for (let i = 0; i < 9_997; i++) outputs.learn(`key ${i}`, 'm', 1);
    learn('a', 'm', 1);
    outputs.learn('one more', 'm', 1);
    expect([outputs.expected('a', 'm'), outputs.expected('b', 'm')]).toEqual([1, undefined]);
  });
});
