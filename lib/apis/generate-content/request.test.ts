import type { ModelRequest } from '../../providers/model-request.js';
import { chatRequest } from './request.js';

type Json = Record<string, unknown>;
const user = (...parts: Json[]): Json => ({ role: 'user', parts });
const model = (...parts: Json[]): Json => ({ role: 'model', parts });
const requestOf = (body: Json, provider = 'openai'): ModelRequest =>
  chatRequest({ model: 'm', contents: [user({ text: 'a' })], ...body }, provider);
const messagesOf = (...contents: unknown[]): unknown => requestOf({ contents }).messages;
const withConfig = (generationConfig: Json, provider?: string): ModelRequest => requestOf({ generationConfig }, provider);
const image = { inlineData: { mimeType: 'image/png', data: 'AAAA' } };

describe('the conversation', () => {
  it.each<[string, unknown, unknown]>([
    ['a text', 'Hello', [{ role: 'user', content: 'Hello' }]],
    ['a turn without a role', [{ parts: [{ text: 'a' }] }], [{ role: 'user', content: 'a' }]],
    [
      'both roles',
      [user({ text: 'a' }), model({ text: 'b' })],
      [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    ],
    [
      'an image',
      [user({ text: 'a' }, image)],
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
      ],
    ],
    [
      'an image in the spelling of protocol buffers',
      [user({ inline_data: { mime_type: 'image/png', data: 'AAAA' } })],
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }],
    ],
    [
      'an image by its address',
      [user({ fileData: { fileUri: 'https://a.example/b.png', mimeType: 'image/png' } })],
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/b.png' } }] }],
    ],
    [
      'sound',
      [user({ inlineData: { mimeType: 'audio/mpeg', data: 'AAAA' } })],
      [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } }] }],
    ],
    [
      'a document',
      [user({ inlineData: { mimeType: 'application/pdf', data: 'AAAA' } })],
      [{ role: 'user', content: [{ type: 'file', file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'document.pdf' } }] }],
    ],
    [
      'a text as data',
      [user({ inlineData: { mimeType: 'text/plain', data: Buffer.from('ä').toString('base64') } })],
      [{ role: 'user', content: 'ä' }],
    ],
  ])('has %s', (_, contents, messages) => expect(requestOf({ contents }).messages).toEqual(messages));

  it('puts the system instruction first, its parts as lines', () => {
    for (const systemInstruction of ['a\nb', { parts: [{ text: 'a' }, { text: '' }, { text: 'b' }] }])
      expect((requestOf({ systemInstruction }).messages as Json[])[0]).toEqual({ role: 'system', content: 'a\nb' });
    expect(requestOf({ systemInstruction: { parts: [] } }).messages).toHaveLength(1);
  });

  it('gives each result the id of its call, by name and in order, and puts results first', () => {
    const call = (name: string, id?: string): Json => ({ functionCall: { name, args: { a: 1 }, ...(id !== undefined && { id }) } });
    const result = (name: string, output: string): Json => ({ functionResponse: { name, response: { output } } });
    const messages = messagesOf(
      model({ text: 'b' }, call('one'), call('two', 'own'), call('one')),
      user({ text: 'c' }, result('two', 'x'), result('one', 'y'), result('one', 'z')),
    ) as Json[];
    const calls = messages[0].tool_calls as { id: string; function: Json }[];
    expect(calls.map(({ id, function: { name } }) => [id, name])).toEqual([
      ['call_0', 'one'],
      ['own', 'two'],
      ['call_2', 'one'],
    ]);
    expect(messages.slice(1)).toEqual([
      { role: 'tool', tool_call_id: 'own', content: '{"output":"x"}' },
      { role: 'tool', tool_call_id: 'call_0', content: '{"output":"y"}' },
      { role: 'tool', tool_call_id: 'call_2', content: '{"output":"z"}' },
      { role: 'user', content: 'c' },
    ]);
  });

  it('returns signed thinking of Claude as its blocks, and a signature of Gemini in the id of its call', () => {
    const sign = (text: string): string => Buffer.from(text).toString('base64');
    const thoughts = [
      { text: 'Hm', thought: true, thoughtSignature: sign('thinking:sig') },
      { text: '', thought: true, thoughtSignature: sign('redacted_thinking:data') },
    ];
    const [ofClaude] = messagesOf(model(...thoughts, { text: 'b' })) as Json[];
    expect(ofClaude).toMatchObject({
      content: 'b',
      reasoning_content: 'Hm',
      thinking_blocks: [
        { type: 'thinking', thinking: 'Hm', signature: 'sig' },
        { type: 'redacted_thinking', data: 'data' },
      ],
    });
    const [ofGemini] = messagesOf(model({ functionCall: { name: 'f', id: 'c1' }, thoughtSignature: 'Z2VtaW5p' })) as Json[];
    expect((ofGemini.tool_calls as { id: string }[])[0].id).toBe('c1__thought__Z2VtaW5p');
    expect(ofGemini.thinking_blocks).toBeUndefined();
  });

  it.each<[string, Json, string]>([
    ['no part', { contents: [] }, 'contents'],
    ['another role', { contents: [{ role: 'system', parts: [{ text: 'a' }] }] }, 'contents[0].role'],
    ['parts that are no list', { contents: [{ parts: 'a' }] }, 'contents[0].parts'],
    ['a result without a call', { contents: [user({ functionResponse: { name: 'f' } })] }, 'contents[0].parts[0].functionResponse'],
    ['data without a type', { contents: [user({ inlineData: { data: 'AAAA' } })] }, 'contents[0].parts[0].inlineData.mimeType'],
    ['an unknown part', { contents: [user({ videoMetadata: {} })] }, 'contents[0].parts[0]'],
    ['an instruction without texts', { systemInstruction: { parts: [image] } }, 'systemInstruction.parts[0].text'],
  ])('rejects %s, naming the place', (_, body, place) => {
    const thrown = (() => {
      try {
        return requestOf(body);
      } catch (error) {
        return error;
      }
    })();
    expect(JSON.stringify([(thrown as Error).message, (thrown as { param?: unknown }).param])).toContain(place);
  });
});

describe('the tools', () => {
  const declared = { name: 'f', description: 'd', parameters: { type: 'OBJECT', properties: { a: { type: 'STRING', nullable: true } } } };
  const tools = [{ functionDeclarations: [declared, { name: 'g', parametersJsonSchema: { type: 'object' } }, { name: 'h' }] }];
  const choiceOf = (functionCallingConfig: Json): unknown => requestOf({ tools, toolConfig: { functionCallingConfig } }).tool_choice;

  it('are functions with JSON schemas', () => {
    expect(requestOf({ tools }).tools).toEqual([
      {
        type: 'function',
        function: { name: 'f', description: 'd', parameters: { type: 'object', properties: { a: { type: ['string', 'null'] } } } },
      },
      { type: 'function', function: { name: 'g', parameters: { type: 'object' } } },
      { type: 'function', function: { name: 'h' } },
    ]);
    expect(requestOf({ tools: [{ googleSearch: {} }] })).toMatchObject({ web_search_options: {} });
  });

  it.each<[Json, unknown]>([
    [{ mode: 'AUTO' }, undefined],
    [{ mode: 'NONE' }, 'none'],
    [{ mode: 'ANY' }, 'required'],
    [
      { mode: 'ANY', allowedFunctionNames: ['f'] },
      { type: 'function', function: { name: 'f' } },
    ],
    [
      { mode: 'ANY', allowed_function_names: ['f', 'g'] },
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: ['f', 'g'].map((name) => ({ type: 'function', function: { name } })) },
      },
    ],
  ])('are chosen by %j', (config, choice) => expect(choiceOf(config)).toEqual(choice));

  it('are rejected if chat does not have them, or their mode is unknown', () => {
    for (const name of ['codeExecution', 'urlContext', 'computerUse'])
      expect(() => requestOf({ tools: [{ [name]: {} }] })).toThrow(`openai does not support Google's tool ${name}`);
    expect(() => choiceOf({ mode: 'SOME' })).toThrow('must be AUTO, ANY, NONE or VALIDATED');
  });
});

describe('the settings', () => {
  it('have the names of chat', () => {
    const config = {
      temperature: 0.5,
      top_p: 0.25,
      topK: 40,
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      maxOutputTokens: 9,
      candidateCount: 2,
      stopSequences: ['END'],
      responseLogprobs: true,
      logprobs: 3,
    };
    const common = { temperature: 0.5, top_p: 0.25, seed: 7, presence_penalty: 0.1, frequency_penalty: 0.2, max_tokens: 9, n: 2 };
    const expected = { ...common, stop: ['END'], logprobs: true, top_logprobs: 3 };
    expect(withConfig(config, 'anthropic')).toMatchObject({ ...expected, top_k: 40 });
    expect(withConfig(config)).toMatchObject(expected);
    expect(withConfig(config)).not.toHaveProperty('top_k');
  });

  it.each<[Json, string | undefined]>([
    [{ thinkingLevel: 'HIGH' }, 'high'],
    [{ thinking_level: 'minimal' }, 'minimal'],
    [{ thinkingBudget: 0 }, 'none'],
    [{ thinkingBudget: 1 }, 'low'],
    [{ thinkingBudget: 2047 }, 'low'],
    [{ thinkingBudget: 2048 }, 'medium'],
    [{ thinkingBudget: 4096 }, 'high'],
    [{ thinkingBudget: -1 }, undefined],
    [{ includeThoughts: true }, undefined],
  ])('have an effort for the thinking %j', (thinkingConfig, effort) =>
    expect(withConfig({ thinkingConfig }).reasoning_effort).toBe(effort),
  );

  it('have a format of answers, unless a tool is forced', () => {
    const responseMimeType = 'application/json';
    expect(withConfig({ responseMimeType }).response_format).toEqual({ type: 'json_object' });
    expect(withConfig({ responseMimeType: 'text/plain' }).response_format).toBeUndefined();
    expect(withConfig({ responseMimeType, responseSchema: { type: 'ARRAY', items: { type: 'STRING' } } }).response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'response', schema: { type: 'array', items: { type: 'string' } } },
    });
    const strict = withConfig({ responseMimeType, responseJsonSchema: { type: 'object', properties: { a: { type: 'string' } } } });
    expect(strict.response_format).toMatchObject({ json_schema: { strict: true, schema: { additionalProperties: false } } });
    expect(() => withConfig({ responseMimeType: 'text/x.enum' })).toThrow('generationConfig.responseMimeType');
    const forced = { tools: [{ functionDeclarations: [{ name: 'f' }] }], toolConfig: { functionCallingConfig: { mode: 'ANY' } } };
    expect(requestOf({ ...forced, generationConfig: { responseMimeType } })).not.toHaveProperty('response_format');
  });

  it('have modalities beyond text, and leave out settings of safety', () => {
    expect(withConfig({ responseModalities: ['TEXT', 'IMAGE'] }).modalities).toEqual(['text', 'image']);
    expect(withConfig({ responseModalities: ['TEXT'] })).not.toHaveProperty('modalities');
    const safe = requestOf({ safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }], labels: { a: 'b' } });
    expect(Object.keys(safe)).toEqual(['model', 'messages']);
  });

  it('report the usage of streams', () => {
    expect(requestOf({ stream: true })).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it.each<[Json, string]>([
    [{ temperature: 'warm' }, 'generationConfig.temperature'],
    [{ maxOutputTokens: 0 }, 'generationConfig.maxOutputTokens'],
    [{ stopSequences: 'END' }, 'generationConfig.stopSequences'],
  ])('are rejected if they are wrong: %j', (config, place) => expect(() => withConfig(config)).toThrow(place));
});
