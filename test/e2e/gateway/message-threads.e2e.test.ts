import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendEvents, sendJson, type Recorder } from '../../support/responses-gateway.js';

type Json = Readonly<Record<string, unknown>>;
type Thread = { readonly type: string; readonly previous_message_id?: string } | undefined;

const QUESTION = 'Is it cold in Bern?';
const ANSWER = 'It is cold.';

/** Anthropic with message threads: it keeps each answer's conversation, until it forgets all. */
class Threads {
  private readonly kept = new Map<string, readonly unknown[]>();
  /** What the model saw of each request. */
  readonly conversations: (readonly unknown[])[] = [];
  isDown = false;
  private answered = 0;
  api!: Recorder;

  static async start(): Promise<Threads> {
    const threads = new Threads();
    threads.api = await recorder((_, body, response) => {
      if (threads.isDown) return sendJson(response, error('overloaded_error'), 529);
      const thread = body.thread as Thread;
      const before = thread?.type === 'continue' ? threads.kept.get(String(thread.previous_message_id)) : [];
      if (before === undefined) {
        const details = { error_code: 'thread_not_found', hint: 'the key was sk-of-anthropic' };
        return sendJson(response, error('not_found_error', details), 404);
      }
      const conversation = [...before, ...(body.messages as unknown[])];
      threads.conversations.push(conversation);
      const message = threads.next(conversation);
      if (thread !== undefined) threads.kept.set(message.id, [...conversation, { role: 'assistant', content: message.content }]);
      if (body.stream !== true) return sendJson(response, message);
      sendEvents(response, eventsOf(message));
    });
    return threads;
  }

  forget(): void {
    this.kept.clear();
  }

  private next(conversation: readonly unknown[]) {
    const hasResult = JSON.stringify(conversation).includes('tool_result');
    const call = { type: 'tool_use', id: `toolu_${this.answered}`, name: 'weather', input: { city: 'Bern' } };
    return {
      id: `msg_${this.answered++}`,
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [hasResult ? { type: 'text', text: ANSWER } : call],
      stop_reason: hasResult ? 'end_turn' : 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 10, output_tokens: 5 },
    };
  }
}

function error(type: string, details?: Json): Json {
  return { type: 'error', error: { type, message: 'scripted', ...(details && { details }) } };
}

function eventsOf({ content: [block], stop_reason, usage, ...head }: ReturnType<Threads['next']>): Json[] {
  const { text, input, ...rest } = block as { text?: string; input?: object };
  const delta = text === undefined ? { type: 'input_json_delta', partial_json: JSON.stringify(input) } : { type: 'text_delta', text };
  return [
    { type: 'message_start', message: { ...head, content: [], stop_reason: null, usage } },
    { type: 'content_block_start', index: 0, content_block: { ...rest, ...(text === undefined ? { input: {} } : { text: '' }) } },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ];
}

/** A provider of chat, and the conversations that it saw. */
function chatProvider(): Promise<Recorder> {
  return recorder((_, body, response) => {
    const hasResult = JSON.stringify(body.messages).includes('"role":"tool"');
    sendChat(
      response,
      body,
      hasResult ? { content: ANSWER } : { tool_calls: [{ id: 'c1', name: 'weather', arguments: '{"city":"Bern"}' }] },
    );
  });
}

describe("the SDK's tool runner with message threads", () => {
  let threads: Threads;
  let chat: Recorder;
  let gateway: GatewayApp;
  let onResult: () => void;

  beforeEach(async () => {
    threads = await Threads.start();
    chat = await chatProvider();
    onResult = () => {};
    const chatParams = { model: 'groq/llama-3.3-70b', api_base: chat.apiBase, api_key: 'sk' };
    const claude = { model: 'anthropic/claude-sonnet-4-5', api_base: threads.api.apiBase, api_key: 'sk-of-anthropic' };
    const modelList = [
      { model_name: 'chat', litellm_params: chatParams },
      { model_name: 'claude', litellm_params: claude },
      { model_name: 'both', litellm_params: claude },
      { model_name: 'azure', litellm_params: { ...claude, model: 'azure_ai/claude-sonnet-4-5' } },
    ];
    const router = { modelList, numRetries: 0, disableCooldowns: false, allowedFails: 0, fallbacks: [{ both: ['chat'] }] };
    gateway = await GatewayApp.start('Express', {}, { module: { router } });
  });
  afterEach(async () => {
    await gateway.stop();
    await stopProviders();
  });

  async function run(model: string, stream = false): Promise<string> {
    const sdk = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
    const weather = betaTool({
      name: 'weather',
      description: 'The weather',
      inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } as const,
      run: ({ city }) => {
        onResult();
        return `cold in ${city}`;
      },
    });
    const params = { model, max_tokens: 500, messages: [{ role: 'user' as const, content: QUESTION }], tools: [weather] };
    const runner = stream
      ? sdk.beta.messages.toolRunner({ ...params, stream: true })
      : sdk.beta.messages.toolRunner({ ...params, stream: false });
    const { content } = await runner.runUntilDone();
    return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  }

  /** The roles of a conversation as a provider of chat saw it. */
  const rolesIn = ({ body }: Recorder['requests'][number]): unknown[] => (body.messages as Json[]).map(({ role }) => role);

  it.each([false, true])('has whole conversations at a provider of chat (streamed: %s)', async (stream) => {
    expect(await run('chat', stream)).toBe(ANSWER);
    expect(chat.requests.map(rolesIn)).toEqual([['user'], ['user', 'assistant', 'tool']]);
    expect(JSON.stringify(chat.requests)).not.toContain('thread');
  });

  it.each([false, true])('continues threads at Anthropic (streamed: %s)', async (stream) => {
    expect(await run('claude', stream)).toBe(ANSWER);
    expect(threads.api.requests.map(({ body }) => (body.thread as Thread)?.type)).toEqual(['create', 'continue']);
    expect(threads.conversations.at(-1)).toHaveLength(3);
  });

  it.each(['claude', 'both'])('starts a thread again that Anthropic has lost (%s)', async (model) => {
    onResult = () => threads.forget();
    expect(await run(model)).toBe(ANSWER);
    expect(threads.api.requests.map(({ body }) => (body.thread as Thread)?.type)).toEqual(['create', 'continue', 'create']);
    expect(threads.conversations.at(-1)).toHaveLength(3);
    expect(chat.requests).toEqual([]);
    // It failed for the conversation, not for others.
    expect(await run(model)).toBe(ANSWER);
  });

  it.each([false, true])('continues with the whole conversation at a fallback (streamed: %s)', async (stream) => {
    onResult = () => (threads.isDown = true);
    expect(await run('both', stream)).toBe(ANSWER);
    expect(chat.requests.map(rolesIn)).toEqual([['user', 'assistant', 'tool']]);
  });

  it('has whole conversations at clouds that serve Claude', async () => {
    expect(await run('azure')).toBe(ANSWER);
    expect(threads.api.requests.map(({ body }) => body.thread)).toEqual([undefined, undefined]);
    expect(threads.conversations.at(-1)).toHaveLength(3);
  });

  it("explains the error to the client, and passes on Anthropic's details without keys", async () => {
    const headers = { 'anthropic-beta': 'message-threads-2026-08-12' };
    const body = {
      max_tokens: 5,
      messages: [{ role: 'user', content: 'And?' }],
      thread: { type: 'continue', previous_message_id: 'msg_x' },
    };
    const refused = await gateway.post('/v1/messages', { ...body, model: 'chat' }, headers);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'thread is not supported: groq does not store conversations; send the whole conversation without thread.',
          details: { error_code: 'thread_unsupported_request' },
        },
        request_id: null,
      },
    ]);
    const lost = await gateway.post('/v1/messages', { ...body, model: 'claude' }, headers);
    expect([lost.status, JSON.parse(lost.text)]).toMatchObject([
      404,
      { error: { type: 'not_found_error', details: { error_code: 'thread_not_found', hint: 'the key was ***' } } },
    ]);
  });
});
