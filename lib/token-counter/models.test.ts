import modelToEncoding from 'tiktoken/model_to_encoding.json';

import { modelFacts } from './models.js';

describe('modelFacts', () => {
  it.each(Object.entries(modelToEncoding))('gives %s the encoding that tiktoken gives it', (model, encoding) => {
    expect(modelFacts(model)).toMatchObject({ encoding, approximate: false });
  });

  it.each([
    [
      'o200k_base',
      'o1 o1-pro o3-mini-high o4-mini-2025-04-16 gpt-4.1-nano gpt-4.5-preview gpt-5 gpt-5.1 gpt-5.2-pro gpt-5-codex chatgpt-4o-latest GPT-4O',
    ],
    [
      'o200k_harmony',
      'gpt-oss-20b gpt-oss-120b openai/gpt-oss-120b:free openai.gpt-oss-20b-1:0 bedrock/openai.gpt-oss-120b-1:0 databricks/databricks-gpt-oss-20b',
    ],
    ['cl100k_base', 'gpt-4 gpt-4-32k-0314 gpt-4-turbo gpt-3.5 gpt-3.5-turbo-16k gpt-35-turbo-0125 text-embedding-3-large davinci-002'],
    [
      'o200k_base',
      'openai/gpt-4o azure/gpt-4o-eastus openrouter/openai/gpt-4o openrouter/openai/gpt-4o:extended azure/eu/o3 snowflake/openai-gpt-4.1',
    ],
    ['o200k_base', 'ft:gpt-4o ft:gpt-4o-mini-2024-07-18:my/org::abc openai/ft:gpt-4.1:org:name:id'],
    ['cl100k_base', 'ft:gpt-4:org::id ft:gpt-3.5-turbo-0613:org ft:davinci-002 ft:babbage-002:org'],
    ['r50k_base', 'davinci:ft-org-2023-01-01 curie text-search-ada-doc-001'],
    ['gpt2', 'gpt2 gpt-2'],
  ])('gives %s to %s', (encoding, models) => {
    for (const model of models.split(' '))
      expect([model, modelFacts(model)]).toEqual([model, expect.objectContaining({ encoding, approximate: false })]);
  });

  it.each(['cl100k_base', 'o200k_base', 'o200k_harmony', 'p50k_base', 'p50k_edit', 'r50k_base', 'gpt2'])(
    'accepts the encoding name %s as a model',
    (name) => {
      expect(modelFacts(name)).toMatchObject({ encoding: name, approximate: false });
    },
  );

  it.each([
    'claude-sonnet-4-5',
    'llama-3.3-70b',
    'gpt-10',
    'gpt-4x',
    'gpt-osso',
    'o10',
    'my-gpt-4o',
    '',
    '/',
    ':',
    'ft:',
    '__proto__',
    'constructor',
  ])('counts approximately with cl100k_base for %j', (model) =>
    expect(modelFacts(model)).toMatchObject({ encoding: 'cl100k_base', approximate: true }),
  );

  it('accepts a model name of megabytes', () => {
    expect(modelFacts('gpt-4o' + '/'.repeat(10_000_000)).approximate).toBe(true);
    expect(modelFacts('a.'.repeat(128)).approximate).toBe(true);
  });

  it('returns the token costs of messages and media', () => {
    expect(modelFacts('openai/gpt-3.5-turbo-0301')).toMatchObject({ tokensPerMessage: 4, tokensPerName: -1 });
    expect(modelFacts('gpt-3.5-turbo')).toMatchObject({ tokensPerMessage: 3, tokensPerName: 1 });
    expect(modelFacts('bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0')).toMatchObject({ approximate: true });
    const claude = modelFacts('bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0');
    expect(claude.media.images.most('auto')).toBe(1568);
    expect(modelFacts('vertex_ai/gemini-2.5-pro').media.tokensPerPage).toBe(258);
  });
});
