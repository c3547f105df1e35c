import { MissingFileError } from '../../common/errors.js';
import { oneOrAll } from '../../../test/support/long.js';
import { openRanks, RankFile } from './ranks.js';

describe('RankFile', () => {
  afterEach(() => jest.dontMock('tiktoken/lite'));

  const withoutTiktoken = (message: string): unknown => {
    jest.doMock('tiktoken/lite', () => {
      throw new Error(message);
    });
    try {
      return new RankFile('cl100k_base').tokenizer;
    } catch (error) {
      return error;
    }
  };

  it('throws a MissingFileError with the remedy if a bundle has tiktoken without its WASM file', () => {
    const error = withoutTiktoken('Missing tiktoken_bg.wasm');
    expect(error).toBeInstanceOf(MissingFileError);
    expect(error).toMatchObject({ code: 'MISSING_FILE', file: 'tiktoken_bg.wasm', cause: { message: 'Missing tiktoken_bg.wasm' } });
    expect((error as Error).message).toContain('mark nestjs-fast-litellm and tiktoken as external packages');
  });

  it('rethrows any other error of loading tiktoken unchanged', () => {
    expect(withoutTiktoken('out of memory')).toMatchObject({ message: 'out of memory' });
  });

  // So no merge makes a pair of a lower rank: within a token its bytes merge as they do alone.
  it.each(oneOrAll(['p50k_base', 'cl100k_base', 'o200k_base'] as const))('makes each token of %s from two of lower ranks', (encoding) => {
    const tokens = [...openRanks(encoding).tokens()].map(([id, bytes]) => [Buffer.from(bytes).toString('latin1'), id] as const);
    const ranks = new Map(tokens);
    const partsOf = (token: string, below: number): number => {
      const parts = [...token];
      while (parts.length > 2) {
        let lowest = below;
        let at = -1;
        for (let i = 0; i + 1 < parts.length; i++) {
          const rank = ranks.get(parts[i] + parts[i + 1]) ?? Infinity;
          if (rank < lowest) [lowest, at] = [rank, i];
        }
        if (at < 0) break;
        parts.splice(at, 2, parts[at] + parts[at + 1]);
      }
      return parts.length;
    };
    expect(tokens.filter(([token, id]) => token.length > 1 && partsOf(token, id) !== 2)).toEqual([]);
  });
});
