import type { ServerResponse } from 'node:http';
import { GatewayApp } from '../../support/gateway-app.js';
import { bedrockStream } from '../../support/bedrock-frames.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendEvents, sendJson } from '../../support/responses-gateway.js';

type Json = Readonly<Record<string, unknown>>;

/** What a model said before its mistake, if anything. */
interface Said {
  readonly text?: string;
  readonly thought?: string;
  readonly call?: Json;
}

const PROTOCOLS = {
  gemini: {
    params: (origin: string) => ({ model: 'gemini/gemini-3-pro-preview', api_base: `${origin}/v1beta`, api_key: 'k' }),
    reasons: ['MALFORMED_FUNCTION_CALL', 'TOO_MANY_TOOL_CALLS', 'UNEXPECTED_TOOL_CALL'],
    answer(response: ServerResponse, stream: boolean, { text, thought, call }: Said, finishReason: string) {
      const parts = [
        ...(thought === undefined ? [] : [{ text: thought, thought: true }]),
        ...(text === undefined ? [] : [{ text }]),
        ...(call === undefined ? [] : [{ functionCall: { name: 'f', args: call } }]),
      ];
      const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 };
      const event = { candidates: [{ content: { parts }, finishReason }], usageMetadata };
      if (stream) sendEvents(response, [event]);
      else sendJson(response, event);
    },
  },
  bedrock: {
    params: (origin: string) => ({ model: 'bedrock/amazon.nova-lite-v1:0', api_base: origin, api_key: 'k', aws_region_name: 'us-east-1' }),
    reasons: ['malformed_tool_use', 'malformed_model_output'],
    answer(response: ServerResponse, stream: boolean, { text, thought, call }: Said, stopReason: string) {
      const content = [
        ...(thought === undefined ? [] : [{ reasoningContent: { reasoningText: { text: thought } } }]),
        ...(text === undefined ? [] : [{ text }]),
        ...(call === undefined ? [] : [{ toolUse: { toolUseId: 't', name: 'f', input: call } }]),
      ];
      const usage = { inputTokens: 3, outputTokens: 2, totalTokens: 5 };
      const whole = { output: { message: { role: 'assistant', content } }, stopReason, usage };
      if (!stream) return sendJson(response, whole);
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' }).end(Buffer.concat(bedrockStream(whole)));
    },
  },
} as const;
type Name = keyof typeof PROTOCOLS;

const CASES = (Object.keys(PROTOCOLS) as Name[]).flatMap((name) => PROTOCOLS[name].reasons.map((reason) => [name, reason] as const));
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];

describe.each(CASES)('an answer of %s that ends by %s', (name, reason) => {
  let said: Said = {};
  let gateway: GatewayApp;
  beforeAll(async () => {
    const { params, answer } = PROTOCOLS[name];
    const mistaken = await recorder((url, _, response) => answer(response, /stream/i.test(url), said, reason));
    const well = await recorder((_, body, response) => sendChat(response, body, { content: 'Well.' }));
    const modelList = [
      { model_name: 'm', litellm_params: { ...params(mistaken.apiBase.replace(/\/v1$/, '')), order: 1 } },
      { model_name: 'm', litellm_params: { model: 'groq/llama', api_base: well.apiBase, api_key: 'k', order: 2 } },
    ];
    gateway = await GatewayApp.start('Express', {}, { module: { router: { modelList, numRetries: 0, disableCooldowns: true } } });
  });
  afterAll(async () => {
    await gateway.stop();
    await stopProviders();
  });

  async function chat(stream: boolean): Promise<string> {
    const messages = [{ role: 'user', content: 'Hi' }];
    return (await gateway.post('/v1/chat/completions', { model: 'm', messages, tools, stream })).text;
  }

  it.each([false, true])('is tried at the next deployment without content (streamed: %s)', async (stream) => {
    said = {};
    expect(await chat(stream)).toContain('Well.');
  });

  it.each<Said>([{ text: 'Half an' }, { call: { a: 1 } }, { text: 'Half an', call: { a: 1 } }])(
    'is incomplete with %j',
    async (content) => {
      said = content;
      expect(JSON.parse(await chat(false))).toMatchObject({ choices: [{ finish_reason: 'length' }], usage: { total_tokens: 5 } });
      const streamed = await chat(true);
      expect(streamed.match(/"finish_reason":"\w+"/g)).toEqual(['"finish_reason":"length"']);
      const body = { model: 'm', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] };
      expect(JSON.parse((await gateway.post('/v1/messages', body)).text)).toMatchObject({ stop_reason: 'max_tokens' });
      expect(JSON.parse((await gateway.post('/v1/responses', { model: 'm', input: 'Hi' })).text)).toMatchObject({ status: 'incomplete' });
    },
  );

  it('is an error if it has only thoughts', async () => {
    said = { thought: 'Hm.' };
    expect(await chat(false)).toContain('Well.');
    // The thoughts of a stream have reached the client.
    expect(await chat(true)).toMatch(new RegExp(`Hm\\.[^]*"error":\\{[^}]*finish reason ${reason}`));
  });
});

describe('code that Gemini has run', () => {
  const parts = [
    { text: 'Let me compute.' },
    { executableCode: { language: 'PYTHON', code: 'print("```", 2**10)\n' } },
    { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '``` 1024\n' } },
    { executableCode: { language: 'PYTHON', code: '' } },
    { text: 'It is 1024.' },
  ];
  const expected = 'Let me compute.\n\n````python\nprint("```", 2**10)\n````\n\n\n\n````\n``` 1024\n````\n\nIt is 1024.';

  afterAll(stopProviders);

  it('and its output are blocks of the text in each API', async () => {
    const provider = await recorder((url, _, response) => {
      const event = {
        candidates: [{ content: { parts }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 3, totalTokenCount: 9 },
      };
      if (url.includes('alt=sse')) sendEvents(response, [event]);
      else sendJson(response, event);
    });
    const params = PROTOCOLS.gemini.params(provider.apiBase.replace(/\/v1$/, ''));
    const gateway = await GatewayApp.start(
      'Express',
      {},
      { module: { router: { modelList: [{ model_name: 'm', litellm_params: params }] } } },
    );
    const messages = [{ role: 'user', content: '2**10?' }];
    const chat = (stream: boolean) => gateway.post('/v1/chat/completions', { model: 'm', messages, stream });
    expect(JSON.parse((await chat(false)).text)).toMatchObject({ choices: [{ message: { content: expected }, finish_reason: 'stop' }] });
    const deltas = (await chat(true)).text.split('\n\n').filter((event) => event.startsWith('data: {'));
    const events = deltas.map((event) => JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[] });
    expect(events.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(expected);
    const message = await gateway.post('/v1/messages', { model: 'm', max_tokens: 50, messages });
    expect(JSON.parse(message.text)).toMatchObject({ content: [{ type: 'text', text: expected }] });
    await gateway.stop();
  });
});
