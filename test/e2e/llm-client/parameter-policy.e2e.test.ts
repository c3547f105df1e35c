import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastLiteLLM, type FastLiteLLMOptions } from 'nestjs-fast-litellm';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';
import { fromMinute } from '../../support/until.js';

type Fields = Readonly<Record<string, unknown>>;

const folder = mkdtempSync(join(tmpdir(), 'parameter-policy-'));
const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const ANSWER = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }] });
const opened: FastLiteLLM[] = [];

/** A client whose group `m` is Perplexity's, and the bodies that arrive there. */
async function client(
  settings: Fields,
  params: Fields,
  llmClient: FastLiteLLMOptions['llmClient'],
): Promise<{ readonly llm: FastLiteLLM; readonly bodies: Fields[] }> {
  const bodies: Fields[] = [];
  const api_base = await scripted((request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString('utf8')));
    request.on('end', () => {
      bodies.push(JSON.parse(text) as Fields);
      response.setHeader('content-type', 'application/json').end(ANSWER);
    });
  });
  const litellm_params = { model: 'perplexity/sonar', api_base, api_key: 'sk-none', ...params };
  const plain = { model: 'openai/any', api_base, api_key: 'sk-none' };
  const configPath = join(folder, 'config.json');
  const list = [
    { model_name: 'm', litellm_params },
    { model_name: 'other', litellm_params: plain },
  ];
  writeFileSync(configPath, JSON.stringify({ model_list: list, litellm_settings: settings }));
  const llm = new FastLiteLLM({ router: { configPath, numRetries: 0 }, llmClient, logger: quiet }, { now: fromMinute() });
  opened.push(llm);
  return { llm, bodies };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a parameter that the provider lacks', () => {
  it.each<[string, Fields, Fields, FastLiteLLMOptions['llmClient'], Fields, boolean]>([
    ['is refused', {}, {}, undefined, {}, false],
    ["is dropped with the file's drop_params", { drop_params: true }, {}, undefined, {}, true],
    ["is refused with the client's dropParams over the file's", { drop_params: true }, {}, { dropParams: false }, {}, false],
    ["is dropped with the client's dropParams", {}, {}, { dropParams: true }, {}, true],
    ["is refused with the deployment's drop_params over the client's", {}, { drop_params: false }, { dropParams: true }, {}, false],
    ["is dropped with the request's drop_params over the deployment's", {}, { drop_params: false }, undefined, { drop_params: true }, true],
    [
      "is refused with the request's drop_params over all",
      { drop_params: true },
      { drop_params: true },
      undefined,
      { drop_params: false },
      false,
    ],
  ])('%s', async (_, settings, params, options, fields, isDropped) => {
    const { llm, bodies } = await client(settings, params, options);
    const answer = llm.client.chat({ model: 'm', messages: [...HELLO], stop: ['a'], ...fields });
    if (isDropped) {
      await answer;
      expect(bodies).toEqual([{ model: 'sonar', messages: [...HELLO] }]);
    } else {
      const message = /^stop is not supported: perplexity does not support this parameter for sonar; remove it, or set drop_params: true/;
      await expect(answer).rejects.toMatchObject({
        code: 'UNSUPPORTED_PARAMETER',
        param: 'stop',
        message: expect.stringMatching(message) as string,
      });
      expect(bodies).toEqual([]);
    }
  });

  it('has a fallback answer, and blames no deployment', async () => {
    const { llm, bodies } = await client({ fallbacks: [{ m: ['other'] }] }, {}, undefined);
    await llm.client.chat({ model: 'm', messages: [...HELLO], stop: ['a'] });
    expect(bodies).toEqual([{ model: 'any', messages: [...HELLO], stop: ['a'] }]);
    expect(llm.router.status().map(({ failures }) => failures)).toEqual([0, 0]);
  });
});
