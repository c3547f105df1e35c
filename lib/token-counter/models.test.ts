import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_ENCODING, modelToEncodingMap } from 'gpt-tokenizer/mapping';
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
    [
      'o200k_base',
      `gpt-realtime gpt-realtime-mini-2025-10-06 gpt-realtime-1.5 azure/gpt-realtime-2025-08-28 gpt-4o-realtime-preview-2024-12-17
      openai/gpt-4o-mini-realtime-preview azure/us/gpt-4o-realtime-preview gpt-4o-audio-preview-2025-06-03 gpt-4o-mini-audio-preview gpt-audio
      gpt-audio-mini-2025-12-15 openrouter/openai/gpt-audio gpt-4o-transcribe-diarize gpt-4o-mini-transcribe gpt-transcribe gpt-live-transcribe gpt-4o-mini-tts`,
    ],
    [
      'o200k_base',
      'gpt-image-1 azure/gpt-image-1-mini gpt-image-1.5-2025-12-16 openai/gpt-image-2 chatgpt-image-latest openrouter/openai/gpt-5-image-mini',
    ],
    [
      'o200k_base',
      `computer-use-preview azure/computer-use-preview-2025-03-11 codex-mini-latest openrouter/openai/codex-mini gpt-5.1-codex-max
      github_copilot/gpt-5.3-codex omni-moderation-2024-09-26 gpt-4o-search-preview openai/gpt-5-search-api gpt-chat-latest chat-latest ~openai/gpt-mini-latest`,
    ],
    [
      'o200k_base',
      `o1-preview-2024-09-12 o1-mini openai/responses/o1-pro-2025-03-19 o3-deep-research azure_ai/o4-mini openai/o4-mini-deep-research-2025-06-26 vercel_ai_gateway/openai/o3-pro
      snowflake/openai-o4-mini`,
    ],
    [
      'o200k_base',
      `gpt-5.5-2026-04-23 gpt-5.6-luna openai/gpt-6-sol:batch bedrock/global.openai.gpt-5.6-terra regional.openai.gpt-5.4 azure/gpt-5-chat perplexity/openai/gpt-5.2
      azure/gpt-4o-mini-2024-07-18.ft-0123abc ft:gpt-4.1-nano-2025-04-14:org::id ft:o4-mini-2025-04-16:org::id azure/global-standard/gpt-4o`,
    ],
    ['o200k_base', 'ft:gpt-4o ft:gpt-4o-mini-2024-07-18:my/org::abc openai/ft:gpt-4.1:org:name:id'],
    ['cl100k_base', 'ft:gpt-4:org::id ft:gpt-3.5-turbo-0613:org ft:davinci-002 ft:babbage-002:org'],
    ['r50k_base', 'davinci:ft-org-2023-01-01 curie text-search-ada-doc-001'],
    ['gpt2', 'gpt2 gpt-2'],
  ])('gives %s to %s', (encoding, models) => {
    for (const model of models.split(/\s+/))
      expect([model, modelFacts(model)]).toEqual([model, expect.objectContaining({ encoding, approximate: false })]);
  });

  it('gives the models that gpt-tokenizer knows its encoding, but those whose tokenizer is not published', () => {
    const unpublished = /^(?:dall-e|whisper|tts|sora|text-moderation)/;
    const files = readdirSync(join(dirname(require.resolve('gpt-tokenizer/package.json')), 'esm', 'model')).filter((file) =>
      file.endsWith('.js'),
    );
    const named = files.map((file) => file.slice(0, -'.js'.length)).filter((model) => !unpublished.test(model));
    expect(named.length).toBeGreaterThan(100);
    const encodings = modelToEncodingMap as Readonly<Record<string, string | undefined>>;
    for (const model of named)
      expect([model, modelFacts(model)]).toEqual([
        model,
        expect.objectContaining({ encoding: encodings[model] ?? DEFAULT_ENCODING, approximate: false }),
      ]);
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
