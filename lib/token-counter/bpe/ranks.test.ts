import { MissingFileError } from '../../common/errors.js';
import { RankFile } from './ranks.js';

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
    expect((error as Error).message).toContain('leave nestjs-fast-litellm and tiktoken out of the bundle');
  });

  it('rethrows any other error of loading tiktoken unchanged', () => {
    expect(withoutTiktoken('out of memory')).toMatchObject({ message: 'out of memory' });
  });
});
