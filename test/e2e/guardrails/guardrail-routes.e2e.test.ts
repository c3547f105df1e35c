import { Injectable } from '@nestjs/common';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLMAdminModule, FastLiteLLMKeysModule, fileApiKeyStore, type GuardrailEntry } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp, type RawAnswer } from '../../support/gateway-app.js';
import { FORBIDDEN, MASK, SECRET, WordGuardrail } from '../../support/word-guardrail.js';

type Fields = Record<string, unknown>;

const MASTER = 'sk-the-master-key-0123456';
const filter = {
  guardrail_name: 'filter',
  litellm_params: {
    guardrail: 'litellm_content_filter',
    mode: 'pre_call',
    default_on: true,
    patterns: [{ pattern_type: 'prebuilt', pattern_name: 'email', action: 'MASK' }],
  },
  guardrail_info: { owner: 'security' },
};

/** A provider of the app. */
@Injectable()
class Words extends WordGuardrail {}

describe('guardrails of a gateway', () => {
  let folder: string;
  let path: string;
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guardrails-'));
    path = join(folder, 'config.json');
    provider = await startProvider('openai', { script: 'Hello.' });
    write([filter]);
    const own: GuardrailEntry = { guardrail_name: 'words', litellm_params: { guardrail: Words, mode: 'pre_call' } };
    gateway = await GatewayApp.start(
      'Fastify',
      {},
      {
        module: { router: { configPath: path, handledSettings: ['general_settings.master_key'] }, guardrails: [own] },
        imports: [
          FastLiteLLMKeysModule.forRoot({ masterKey: MASTER, store: fileApiKeyStore(join(folder, 'keys.json')) }),
          FastLiteLLMAdminModule.forRoot({ saltKey: null }),
        ],
        providers: [Words],
      },
    );
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    rmSync(folder, { recursive: true });
  });

  function write(guardrails: unknown): void {
    const params = { model: 'openai/gpt-4o', api_base: provider.apiBase, api_key: 'sk-provider-key' };
    const models = [{ model_name: 'm', litellm_params: params }];
    writeFileSync(path, JSON.stringify({ model_list: models, general_settings: { master_key: MASTER }, guardrails }));
  }
  const call = async (method: string, at: string, fields?: unknown, key = MASTER): Promise<RawAnswer & { readonly body: Fields }> => {
    const headers = { authorization: `Bearer ${key}`, ...(fields !== undefined && { 'content-type': 'application/json' }) };
    const answer = await gateway.ask(at, { method, headers, ...(fields !== undefined && { body: JSON.stringify(fields) }) });
    return { ...answer, body: JSON.parse(answer.text) as Fields };
  };
  const chat = (content: string, more: Fields = {}, key = MASTER) =>
    call('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content }], ...more }, key);
  const sent = (): string => JSON.stringify(provider.requests.at(-1)?.body);
  const keyWith = async (metadata: Fields, fields: Fields = {}): Promise<string> =>
    (await call('POST', '/key/generate', { metadata, ...fields })).body.key as string;

  it('runs those of the file, and providers of the app that the request selects', async () => {
    const content = `${SECRET} of jane@example.com`;
    expect((await chat(content)).headers['x-litellm-applied-guardrails']).toBe('filter');
    expect(sent()).toContain(SECRET);
    expect(sent()).not.toContain('jane@example.com');
    expect((await chat(content, { guardrails: ['words'] })).headers['x-litellm-applied-guardrails']).toBe('filter,words');
    expect(sent()).toContain(MASK);
    expect(sent()).not.toContain('guardrails');
  });

  it('selects by the metadata of keys, which also opt out', async () => {
    expect((await chat('hi', {}, await keyWith({ guardrails: ['words'] }))).headers['x-litellm-applied-guardrails']).toBe('filter,words');
    expect(
      (await chat('hi', {}, await keyWith({ disable_global_guardrails: true }))).headers['x-litellm-applied-guardrails'],
    ).toBeUndefined();
    expect((await chat('hi', {}, await keyWith({}, { guardrails: ['words'] }))).headers['x-litellm-applied-guardrails']).toBe(
      'filter,words',
    );
  });

  it('denies a request that relies on a guardrail that does not exist', async () => {
    const { status, body } = await chat('hi', { guardrails: ['missing'] });
    expect({ status, body }).toMatchObject({ status: 400, body: { error: { code: 'guardrail_not_found' } } });
  });

  it('lists them without secrets', async () => {
    const { status, body } = await call('GET', '/guardrails/list', undefined, await keyWith({}));
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        guardrails: [
          {
            guardrail_name: 'filter',
            litellm_params: { guardrail: 'litellm_content_filter', mode: 'pre_call', default_on: true },
            guardrail_info: { owner: 'security' },
          },
          { guardrail_name: 'words', litellm_params: { guardrail: 'Words', mode: 'pre_call', default_on: false }, guardrail_info: null },
        ],
      },
    });
  });

  it('applies one to a text', async () => {
    const apply = (fields: Fields) => call('POST', '/guardrails/apply_guardrail', fields);
    expect((await apply({ guardrail_name: 'words', text: `a ${SECRET}` })).body).toEqual({ response_text: `a ${MASK}` });
    const denied = await apply({ guardrail_name: 'words', text: FORBIDDEN });
    expect(denied).toMatchObject({ status: 400, body: { error: { code: '400', provider_specific_fields: { guardrail_name: 'words' } } } });
    expect(denied.text).not.toContain(FORBIDDEN);
    for (const wrong of [
      { guardrail_name: 'missing', text: 'a' },
      { guardrail_name: 'words' },
      { guardrail_name: 'words', text: 'a', x: 1 },
    ])
      expect((await apply(wrong)).status).toBe(400);
  });

  it.each<[string, unknown, string]>([
    [
      'is invalid',
      [filter, { guardrail_name: 'x', litellm_params: { guardrail: 'presidoo', mode: 'pre_call' } }],
      'guardrails[1].litellm_params.guardrail',
    ],
    ['lacks a guardrail', [], "guardrails['filter']: must not be removed"],
    ['weakens one', [{ ...filter, litellm_params: { ...filter.litellm_params, default_on: false } }], 'default_on: must not become weaker'],
  ])('keeps protecting if the file %s', async (_, guardrails, message) => {
    write(guardrails);
    const { status, text } = await call('POST', '/config/reload');
    expect(status).toBe(400);
    expect(text).toContain(message);
    await chat('jane@example.com');
    expect(sent()).not.toContain('jane@example.com');
  });

  it('uses a guardrail that a reload adds for the calls that follow', async () => {
    write([filter, { ...filter, guardrail_name: 'second', litellm_params: { ...filter.litellm_params, mode: 'post_call' } }]);
    expect((await call('POST', '/config/reload')).status).toBe(200);
    expect((await chat('hi')).headers['x-litellm-applied-guardrails']).toBe('filter,second');
  });
});

describe('an app whose guardrails cannot work', () => {
  it('does not start if a class is not a provider', async () => {
    const own: GuardrailEntry = { guardrail_name: 'words', litellm_params: { guardrail: Words, mode: 'pre_call' } };
    await expect(GatewayApp.start('Fastify', {}, { module: { guardrails: [own] } })).rejects.toThrow(
      'guardrails[0].litellm_params.guardrail',
    );
  });

  it('denies requests that select one if none is configured', async () => {
    const app = await GatewayApp.start('Fastify', {}, { module: { router: { modelList: [] } } });
    const { status, text } = await app.post('/v1/chat/completions', { model: 'm', messages: [], guardrails: ['pii'] });
    expect(status).toBe(400);
    expect(text).toContain('guardrail_not_found');
    await app.stop();
  });
});
