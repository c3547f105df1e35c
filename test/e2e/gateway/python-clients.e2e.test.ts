import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { PIXEL, SOUND } from '../../../lib/testing/protocols/openai-others.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';
import { deploymentOf, provider, stopProviders } from '../../support/llm-client-providers.js';

/** A Python that has the packages `openai` and `litellm`. */
const PYTHON = process.env.PYTHON_CLIENTS ?? 'python3';
const hasClients =
  spawnSync(PYTHON, ['-c', 'import importlib.util as u, sys; sys.exit(not (u.find_spec("openai") and u.find_spec("litellm")))']).status ===
  0;
if (!hasClients) process.stderr.write('no python3 with openai and litellm (PYTHON_CLIENTS): the gateway is not checked by them\n');

(hasClients ? describe : describe.skip).each(Object.keys(ADAPTERS) as AdapterName[])('Python clients of the gateway on %s', (adapter) => {
  let gateway: GatewayApp;
  let other: TestProvider;
  beforeAll(async () => {
    const chat = await provider('one');
    other = await startProvider('openai', { script: 'Hello' });
    const router = { modelList: [deploymentOf('gpt-4o', chat), deploymentOf('other', { name: 'other-1', apiBase: other.apiBase })] };
    gateway = await GatewayApp.start(adapter, {}, { module: { router, rateLimit: { requestsPerMinute: 100_000 } } });
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([stopProviders(), other.close()]);
  });

  it('serves openai and litellm, unchanged', async () => {
    const { stdout } = await promisify(execFile)(PYTHON, [join(__dirname, 'python_clients.py'), gateway.url, 'gpt-4o']);
    const reply = expect.stringMatching(/^one: the quick/) as string;
    expect(JSON.parse(stdout)).toEqual({
      chat: reply,
      stream: reply,
      tool: '{"city":"Oslo"}',
      response: reply,
      events: 'response.completed',
      embeddings: 2,
      models: ['gpt-4o', 'other'],
      image: PIXEL,
      speech: SOUND.toString('base64'),
      transcript: 'Hello',
      file: 'file-1',
      litellm: reply,
      litellm_stream: reply,
      litellm_anthropic: reply,
      litellm_proxy: reply,
    });
  });
});
