import type { ServerResponse } from 'node:http';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { recorder, sendChat, sendJson, type Recorder } from '../../support/responses-gateway.js';

// A 404 about an object that a client names says nothing about the deployment: it must answer others.

const HELLO = [{ role: 'user', content: 'Hello' }];
const withFile = (file: object): object => ({ messages: [{ role: 'user', content: [file, { type: 'text', text: 'Read it.' }] }] });
const openai = (message: string, more: object = {}): object => ({
  error: { message, type: 'invalid_request_error', param: null, code: null, ...more },
});
const anthropic = (message: string): object => ({ type: 'error', error: { type: 'not_found_error', message } });

/** The path and body of a request, and what its provider answers with 404. */
type Case = readonly [name: string, path: string, body: object, error: object, params?: object];

const CLAUDE = { model: 'anthropic/claude-sonnet-4-5' };
const LOST: readonly Case[] = [
  [
    'a previous response',
    '/v1/responses',
    { input: 'And?', previous_response_id: 'resp_68af' },
    openai("Previous response with id 'resp_68af' not found.", { param: 'previous_response_id', code: 'previous_response_not_found' }),
  ],
  [
    'a conversation',
    '/v1/responses',
    { input: 'And?', conversation: { id: 'conv_77' } },
    openai("Conversation with id 'conv_77' not found."),
  ],
  ['a template', '/v1/responses', { input: 'And?', prompt: { id: 'pmpt_9a' } }, openai("Prompt with id 'pmpt_9a' not found.")],
  [
    'a vector store',
    '/v1/responses',
    { input: 'And?', tools: [{ type: 'file_search', vector_store_ids: ['vs_1', 'vs_abc22'] }] },
    openai('Vector store vs_abc22 was not found'),
  ],
  [
    'a file of chat',
    '/v1/chat/completions',
    withFile({ type: 'file', file: { file_id: 'file-Xy12' } }),
    openai('No such File object: file-Xy12', { param: 'id' }),
  ],
  [
    'a file of Anthropic',
    '/v1/messages',
    { max_tokens: 9, ...withFile({ type: 'document', source: { type: 'file', file_id: 'file_011C' } }) },
    anthropic('File not found: file_011C.'),
    CLAUDE,
  ],
];
const DEPLOYMENTS: readonly Case[] = [
  [
    'the model, which the client names alike',
    '/v1/chat/completions',
    { messages: HELLO, user: 'gpt-4o-2' },
    openai('The model `gpt-4o-2` does not exist or you do not have access to it.', { code: 'model_not_found' }),
    { model: 'openai/gpt-4o-2' },
  ],
  [
    'the model without a code',
    '/v1/messages',
    { max_tokens: 9, messages: HELLO, metadata: { user_id: 'claude-sonnet-4-5' } },
    anthropic('model: claude-sonnet-4-5'),
    CLAUDE,
  ],
  ['a wrong address', '/v1/responses', { input: 'Hello', previous_response_id: 'resp_68af' }, { detail: 'Not Found' }],
  ['a wrong path', '/v1/chat/completions', { messages: HELLO }, openai('Invalid URL (POST /v1/v1/chat/completions)')],
  ['the field of the model', '/v1/chat/completions', { messages: HELLO }, openai('No model abc-1.', { param: 'model' })],
];

const named = (cases: readonly Case[]): [string, Case][] => cases.map((each) => [each[0], each]);

describe('a 404 of a provider', () => {
  let gateway: GatewayApp;
  let provider: Recorder;
  let error: object;
  beforeEach(async () => {
    provider = await recorder((_url, body, response: ServerResponse) => {
      if (JSON.stringify(body).includes('Ping')) sendChat(response, body, { content: 'Pong.' });
      else sendJson(response, error, 404);
    });
  });
  afterEach(async () => {
    await gateway.stop();
    await stopProviders();
  });

  async function ask([, path, body, said, params]: Case): Promise<{ readonly status: number; readonly text: string }> {
    error = said;
    const litellm_params = { model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: 'sk', ...params };
    const router = { modelList: [{ model_name: 'm', litellm_params }], numRetries: 0 };
    gateway = await GatewayApp.start('Express', {}, { module: { router } });
    return gateway.post(path, { model: 'm', ...body });
  }
  const state = (): unknown => gateway.llm.router.status()[0].state;

  it.each(named(LOST))('about %s is the client\u2019s: the deployment answers others', async (_, given) => {
    const { status, text } = await ask(given);
    const { message } = (given[3] as { readonly error: { readonly message: string } }).error;
    expect([status, text]).toEqual([404, expect.stringContaining(JSON.stringify(message).slice(1, -1)) as string]);
    expect(provider.requests).toHaveLength(1);
    expect(state()).toBe('available');
  });

  it('with an object in a large body is the client\u2019s, too', async () => {
    const [name, path, body, said] = LOST[4];
    const long = { ...body, user: 'u', metadata: { note: 'word '.repeat(60_000) } };
    expect((await ask([name, path, long, said])).status).toBe(404);
    expect(state()).toBe('available');
    const pong = await gateway.post(path, { model: 'm', messages: [{ role: 'user', content: 'Ping' }] });
    expect(pong.text).toContain('Pong.');
  });

  it.each(named(DEPLOYMENTS))('about %s puts the deployment into cooldown', async (_, given) => {
    expect((await ask(given)).status).toBe(404);
    expect(state()).toBe('cooling');
  });
});
