import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { HELLO } from '../support/llm-client-providers.js';

// The deployments in LiteLLM's own example configurations (fixtures/litellm/example_configs.py), and in
// those of fifteen public repositories: each is callable, or its service is none that is called.
// UPDATE_EXAMPLES=1 writes what is sent for each.

jest.mock('@azure/identity', () => ({}));
jest.mock('google-auth-library', () => ({
  GoogleAuth: class {
    getClient = async (): Promise<object> => ({ credentials: {}, getAccessToken: async () => ({ token: 'token-of-google' }) });
  },
}));

type Params = Readonly<Record<string, string>>;
type Configs = Readonly<Record<string, readonly Params[]>>;

const folder = join(__dirname, '../fixtures/litellm');
const read = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
const configs: Configs = { ...read<Configs>('example-configs.json'), ...read<Configs>('public-configs.json') };
const SENT = 'example-configs-sent.json';
const expected = read<Readonly<Record<string, readonly string[]>>>(SENT);

/** A value for each variable that a configuration names, by what its name says. */
function valueOf(name: string): string {
  if (/MODEL/.test(name)) return 'gpt-4o';
  if (/AZURE_AI_.*BASE/.test(name)) return 'https://mine.services.ai.azure.com';
  if (/AZURE.*(?:BASE|ENDPOINT)/.test(name)) return 'https://mine.openai.azure.com';
  if (/BASE|URL|ENDPOINT/.test(name)) return 'https://upstream.example/v1';
  if (/VERSION/.test(name)) return '2025-04-01-preview';
  if (/PROJECT/.test(name)) return 'my-project';
  if (/CREDENTIALS/.test(name))
    return '{"type":"authorized_user","client_id":"c","client_secret":"secret-of-google","refresh_token":"secret-of-refresh"}';
  return `secret-of-${name}`;
}

const named = new Set([...JSON.stringify(configs).matchAll(/os\.environ\/(\w+)/g)].map(([, name]) => name));
const env: Record<string, string> = {
  ...Object.fromEntries([...named].map((name) => [name, valueOf(name)])),
  ANTHROPIC_API_KEY: 'secret-of-ANTHROPIC_API_KEY',
  OPENAI_API_KEY: 'secret-of-OPENAI_API_KEY',
  OPENROUTER_API_KEY: 'secret-of-OPENROUTER_API_KEY',
  AWS_ACCESS_KEY_ID: 'AKIA',
  AWS_SECRET_ACCESS_KEY: 'secret-of-aws',
  AWS_REGION: 'eu-central-1',
};
delete env.OPENAI_BASE_URL;
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** Address, key and model of the request for a deployment, or why there is none. */
async function sentFor({ mode, ...params }: Params): Promise<string> {
  const around = params.api_base === 'os.environ/OPENAI_BASE_URL' ? { ...env, OPENAI_BASE_URL: 'https://upstream.example/v1' } : env;
  const modelList = [{ model_name: params.model.includes('*') ? params.model : 'm', litellm_params: params as { model: string } }];
  const llm = new FastLiteLLM({ router: { modelList, numRetries: 0 }, logger: quiet }, { env: around });
  let sent = '';
  jest.spyOn(llm.connectionPool.dispatcher, 'dispatch').mockImplementation(({ origin, path, headers, body }) => {
    const list = headers as string[];
    const at = list.findIndex((name, i) => i % 2 === 0 && /^(?:authorization|x-api-key|api-key|x-goog-api-key)$/.test(name));
    const key =
      at < 0 ? 'no key' : `${list[at]} ${list[at + 1].replace(/secret-of-|Bearer /g, '').replace(/^(AWS4-HMAC-SHA256) .*/, '$1')}`;
    const { model, messages, contents, input, requests } = JSON.parse((body as string | Buffer).toString()) as Readonly<
      Record<string, unknown>
    >;
    const asked = messages ?? contents ?? input ?? requests;
    sent = `${String(origin)}${path} | ${key} | ${typeof model === 'string' ? model : '-'} | ${JSON.stringify(asked)}`;
    throw new Error('asked enough');
  });
  try {
    const [{ uncallable, modelName }] = llm.router.deployments();
    if (uncallable !== undefined) return `${uncallable.reason}; ${uncallable.remedy}`;
    const model = modelName.replace('*', 'some-model');
    const call = mode === 'embedding' ? llm.client.embeddings({ model, input: 'Hello' }) : llm.client.chat({ model, messages: [...HELLO] });
    const error = await call.then(
      () => new Error('answered'),
      (thrown: Error) => thrown,
    );
    return sent === '' ? `failed: ${error.message}` : sent;
  } finally {
    await llm.close();
  }
}

/** Services that are not called by their own protocols. */
const REFUSED = /^the protocol of (?:voyage|auto_router) is not supported yet/;
/** LiteLLM does not know it, either. */
const WRONG = /^unknown provider mistralai in mistralai\/mistral-7b-instruct/;

describe('each deployment of a configuration is callable, at its address, with its key and model', () => {
  const written: Record<string, readonly string[]> = {};

  it.each(Object.keys(configs))('%s', async (name) => {
    const found: string[] = [];
    for (const params of configs[name]) found.push(await sentFor(params));
    written[name] = found;
    for (const each of found) if (!each.startsWith('http')) expect(each).toMatch(new RegExp(`${REFUSED.source}|${WRONG.source}`));
    if (process.env.UPDATE_EXAMPLES !== '1') expect(found).toEqual(expected[name]);
  });

  afterAll(() => {
    if (process.env.UPDATE_EXAMPLES === '1') writeFileSync(join(folder, SENT), `${JSON.stringify(written, undefined, 1)}\n`);
  });
});

it('has at least fifteen public repositories', () =>
  expect(Object.keys(read<Configs>('public-configs.json')).length).toBeGreaterThanOrEqual(15));
