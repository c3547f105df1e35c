import { MissingFileError } from '../../common/errors.js';
import { RankFile } from './ranks.js';

describe('the rank files', () => {
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

  it('say what to do in a bundle, which has tiktoken but not its WASM', () => {
    const error = withoutTiktoken('Missing tiktoken_bg.wasm');
    expect(error).toBeInstanceOf(MissingFileError);
    expect(error).toMatchObject({ code: 'MISSING_FILE', file: 'tiktoken_bg.wasm', cause: { message: 'Missing tiktoken_bg.wasm' } });
    expect((error as Error).message).toContain('leave nestjs-fast-litellm and tiktoken out of the bundle');
  });

  it('leave any other failure as it is', () => {
    expect(withoutTiktoken('out of memory')).toMatchObject({ message: 'out of memory' });
  });
});
