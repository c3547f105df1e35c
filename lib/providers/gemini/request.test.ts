import { sentRequest } from '../../../test/support/sent-requests.js';
import type { SentRequest } from '../protocol.js';
import { GEMINI, generateContent } from './gemini.js';

type Fields = Readonly<Record<string, unknown>>;

const HELLO = [{ role: 'user', content: 'Hello' }];
const HELLO_CONTENTS = [{ role: 'user', parts: [{ text: 'Hello' }] }];
const FLASH = 'gemini-2.5-flash';
const THREE = 'gemini-3-pro-preview';

function bodyOf(body: Fields, facts: Partial<SentRequest> = {}): Fields {
  const sent = sentRequest({ messages: HELLO, ...body }, { model: FLASH, ...facts });
  return JSON.parse(generateContent(sent, '/models/m', sent.provider === 'vertex_ai').body as string) as Fields;
}

const refusal = (body: Fields, facts: Partial<SentRequest> = {}): unknown => {
  try {
    return bodyOf(body, facts);
  } catch (error) {
    return (error as Error).message;
  }
};

describe("parameters in Gemini's words", () => {
  it.each<[string, Fields, Fields, string?]>([
    ['nothing', {}, {}],
    ['null', { temperature: null, stop: null }, {}],
    ['sampling', { temperature: 0, top_p: 0.5, seed: 3, top_k: 4 }, { temperature: 0, topP: 0.5, seed: 3, topK: 4 }],
    ['max_tokens', { max_tokens: 5 }, { maxOutputTokens: 5 }],
    ['the newer name of max_tokens', { max_tokens: 5, max_completion_tokens: 6 }, { maxOutputTokens: 6 }],
    ['one stop sequence', { stop: 'END' }, { stopSequences: ['END'] }],
    ['stop sequences, but for empty ones', { stop: ['a', '', 'b'] }, { stopSequences: ['a', 'b'] }],
    ['several choices', { n: 2 }, { candidateCount: 2 }],
    ['one choice', { n: 1 }, {}],
    ['penalties', { frequency_penalty: 0.1, presence_penalty: 0.2 }, { frequencyPenalty: 0.1, presencePenalty: 0.2 }],
    ['penalties of 0 for Gemini 3', { frequency_penalty: 0 }, {}, THREE],
    ['log probabilities', { logprobs: true, top_logprobs: 3 }, { responseLogprobs: true, logprobs: 3 }],
    ['images as answers', { modalities: ['text', 'image'] }, { responseModalities: ['TEXT', 'IMAGE'] }],
    ['text as answers', { modalities: ['text'] }, {}],
    [
      "Google's own fields",
      { thinking_config: { thinkingBudget: 5 }, imageConfig: { aspectRatio: '1:1' } },
      { thinkingConfig: { thinkingBudget: 5 }, imageConfig: { aspectRatio: '1:1' } },
    ],
    ["Google's configuration, which comes last", { temperature: 1, generationConfig: { temperature: 2 } }, { temperature: 2 }],
    ['JSON', { response_format: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
    ['text', { response_format: { type: 'text' } }, {}],
  ])('translates %s', (_, body, generationConfig, model = FLASH) => {
    const expected = Object.keys(generationConfig).length === 0 ? {} : { generationConfig };
    expect(bodyOf(body, { model })).toEqual({ contents: HELLO_CONTENTS, ...expected });
  });

  it.each<[string, Fields, Fields]>([
    ['safety settings', { safety_settings: [{ category: 'x' }] }, { safetySettings: [{ category: 'x' }] }],
    ['cached content', { cachedContent: 'cachedContents/1' }, { cachedContent: 'cachedContents/1' }],
    ['service tiers', { service_tier: 'flex' }, { serviceTier: 'flex' }],
    ['the default tier', { service_tier: 'default' }, { serviceTier: 'standard' }],
    ['unknown fields as they are', { some_field: { a: 1 } }, { some_field: { a: 1 } }],
    [
      'what changes no answer not at all',
      { user: 'u', metadata: { a: 'b' }, store: true, parallel_tool_calls: false, service_tier: 'auto' },
      {},
    ],
    ['labels for Google Cloud not at all', { labels: { a: 'b' } }, {}],
  ])('passes %s', (_, body, expected) => {
    expect(bodyOf(body)).toEqual({ contents: HELLO_CONTENTS, ...expected });
  });

  it('passes labels to Vertex AI', () => {
    expect(bodyOf({ labels: { a: 'b' } }, { provider: 'vertex_ai' })).toHaveProperty('labels', { a: 'b' });
  });

  it.each<[string, Fields, RegExp, string?]>([
    ['logit_bias', { logit_bias: { 5: 1 } }, /^logit_bias is not supported: gemini does not support this parameter.*drop_params/],
    ['penalties of Gemini 3', { presence_penalty: 1 }, /^presence_penalty is not supported/, THREE],
    ['thinking of older models', { reasoning_effort: 'low' }, /^reasoning_effort is not supported/, 'gemini-2.0-flash'],
    ['an unknown effort', { reasoning_effort: 'a lot' }, /Gemini supports the efforts/],
    ['an unknown format', { response_format: { type: 'xml' } }, /^response_format.type is not supported/],
    [
      'custom tools',
      { tools: [{ type: 'custom', custom: { name: 'a' } }] },
      /^tools\[0\].type is not supported: Gemini does not support tools of type custom/,
    ],
    [
      'searches beside functions',
      { tools: [{ type: 'function', function: { name: 'f' } }, { type: 'web_search' }] },
      /does not support functions together with googleSearch/,
    ],
    ['a conversation besides messages', { contents: [] }, /^contents is not supported: the conversation must be in messages/],
    [
      'instructions beside cached content',
      { cached_content: 'c', messages: [{ role: 'system', content: 's' }, ...HELLO] },
      /cached content has its own instructions/,
    ],
  ])('refuses %s, and names the switch', (_, body, message, model = FLASH) => {
    expect(refusal(body, { model })).toMatch(message);
  });

  it('drops unsupported parameters if the caller allows it', () => {
    const body = bodyOf({
      drop_params: true,
      logit_bias: { 5: 1 },
      response_format: { type: 'xml' },
      reasoning_effort: 'a lot',
      cachedContent: 'c',
      tools: [{ type: 'function', function: { name: 'f' } }, { type: 'web_search' }, { type: 'custom' }],
    });
    expect(body).toEqual({ contents: HELLO_CONTENTS, cachedContent: 'c' });
  });

  it.each<[string, Fields, unknown]>([
    [FLASH, { reasoning_effort: 'none' }, { thinkingBudget: 0, includeThoughts: false }],
    [FLASH, { reasoning_effort: 'minimal' }, { thinkingBudget: 1, includeThoughts: true }],
    ['gemini-2.5-flash-lite', { reasoning_effort: 'minimal' }, { thinkingBudget: 512, includeThoughts: true }],
    ['gemini-2.5-pro', { reasoning_effort: 'minimal' }, { thinkingBudget: 128, includeThoughts: true }],
    ['gemini-2.5-pro', { reasoning_effort: 'low' }, { thinkingBudget: 1024, includeThoughts: true }],
    ['gemini-2.5-pro', { reasoning_effort: { effort: 'medium', summary: 'auto' } }, { thinkingBudget: 2048, includeThoughts: true }],
    ['gemini-2.5-pro', { reasoning_effort: 'high' }, { thinkingBudget: 4096, includeThoughts: true }],
    ['gemini-2.5-pro', { thinking: { type: 'enabled', budget_tokens: 777 } }, { thinkingBudget: 777, includeThoughts: true }],
    ['gemini-2.5-pro', { thinking: { type: 'disabled' } }, undefined],
    [THREE, { reasoning_effort: 'none' }, { thinkingLevel: 'low', includeThoughts: false }],
    [THREE, { reasoning_effort: 'minimal' }, { thinkingLevel: 'low', includeThoughts: true }],
    ['gemini-3-flash-preview', { reasoning_effort: 'minimal' }, { thinkingLevel: 'minimal', includeThoughts: true }],
    [THREE, { reasoning_effort: 'medium' }, { thinkingLevel: 'medium', includeThoughts: true }],
    ['gemini-4-argon', { reasoning_effort: 'xhigh' }, { thinkingLevel: 'high', includeThoughts: true }],
    ['gemini-flash-latest', { reasoning_effort: 'low' }, { thinkingLevel: 'low', includeThoughts: true }],
    [THREE, { thinking: { type: 'enabled', budget_tokens: 9000 } }, { includeThoughts: true }],
    [THREE, { thinking: { type: 'disabled' } }, { includeThoughts: false }],
    ['gemini-1.5-pro', { reasoning_effort: 'none' }, undefined],
  ])('asks %s with %j to think with %j', (model, body, thinkingConfig) => {
    const { generationConfig } = bodyOf(body, { model }) as { generationConfig?: Fields };
    expect(generationConfig?.thinkingConfig).toEqual(thinkingConfig);
  });

  const schema = { type: 'object', properties: { a: { type: ['string', 'null'] } }, required: ['a'], additionalProperties: false };

  it.each([
    [
      'gemini-1.5-pro',
      'responseSchema',
      { type: 'object', properties: { a: { anyOf: [{ type: 'string', nullable: true }] } }, required: ['a'], propertyOrdering: ['a'] },
    ],
    ['gemini-2.0-flash', 'responseJsonSchema', schema],
    [THREE, 'responseJsonSchema', schema],
    ['gemini-flash-latest', 'responseJsonSchema', schema],
    [
      '12345',
      'responseSchema',
      { type: 'object', properties: { a: { anyOf: [{ type: 'string', nullable: true }] } }, required: ['a'], propertyOrdering: ['a'] },
    ],
  ])('gives %s a schema as its %s', (model, name, written) => {
    const response_format = { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } };
    expect(bodyOf({ response_format }, { model }).generationConfig).toEqual({ responseMimeType: 'application/json', [name]: written });
  });

  it('translates functions, choices and tools of Google', () => {
    const parameters = { type: 'object', properties: {}, additionalProperties: false };
    const tools = [{ type: 'function', function: { name: 'f', description: 'does', parameters, strict: true } }, { code_execution: {} }];
    const named = { type: 'function', function: { name: 'f' } };
    expect(bodyOf({ tools, tool_choice: named })).toEqual({
      contents: HELLO_CONTENTS,
      tools: [{ functionDeclarations: [{ name: 'f', description: 'does', parameters: { type: 'object' } }] }, { codeExecution: {} }],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    });
  });

  it.each<[unknown, Fields]>([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [
      { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'g' } }] } },
      { mode: 'ANY', allowedFunctionNames: ['g'] },
    ],
  ])('translates tool_choice %j', (tool_choice, functionCallingConfig) => {
    expect(bodyOf({ tool_choice })).toHaveProperty('toolConfig', { functionCallingConfig });
  });

  it('searches the web', () => {
    expect(bodyOf({ web_search_options: {} }).tools).toEqual([{ googleSearch: {} }]);
    expect(bodyOf({ tools: [{ type: 'web_search_preview' }, { urlContext: {} }] }).tools).toEqual([
      { googleSearch: {} },
      { urlContext: {} },
    ]);
  });

  it('rejects arguments that nest without end', async () => {
    const nested = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    const messages = [{ role: 'assistant', tool_calls: [{ id: '1', function: { name: 'f', arguments: nested } }] }];
    // A body as large as this is written in steps.
    const { body } = generateContent(sentRequest({ messages }, { model: FLASH }), '/models/m', false);
    await expect(body).rejects.toThrow(/^body: must be valid JSON/);
  });

  it("lets a deployment's extra_body come last", () => {
    expect(bodyOf({ temperature: 1 }, { fixed: { safetySettings: [], temperature: 0.5 } })).toEqual({
      contents: HELLO_CONTENTS,
      generationConfig: { temperature: 0.5 },
      safetySettings: [],
    });
  });
});

describe('the path of a call', () => {
  it.each([
    ['gemini-2.5-pro', false, '/models/gemini-2.5-pro:generateContent'],
    ['gemini-2.5-pro', true, '/models/gemini-2.5-pro:streamGenerateContent?alt=sse'],
    ['models/gemini-2.5-pro', false, '/models/gemini-2.5-pro:generateContent'],
    ['tunedModels/mine', false, '/tunedModels/mine:generateContent'],
    ['a/../b?key=x', false, '/models/a%2F..%2Fb%3Fkey%3Dx:generateContent'],
  ])('names %s (stream: %s) as %s', (model, stream, path) => {
    expect(GEMINI.call('chat', sentRequest({ messages: HELLO, stream }, { model }))?.path).toBe(path);
  });

  it('does not have the other operations', () => {
    for (const operation of ['completions', 'responses', 'messages'] as const)
      expect(GEMINI.call(operation, sentRequest({ messages: HELLO }))).toBeUndefined();
  });
});
