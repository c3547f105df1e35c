import { usedEngine } from '../../support/engine-names.js';
import { ADAPTERS, GatewayApp, type AdapterName } from '../../support/gateway-app.js';

const MIB = 1024 * 1024;
const MODEL = '"model":"m","messages":[{"role":"user","content":"Hi"}]';
const many = (entry: (at: number) => string, bytes = MIB): string => {
  const entries: string[] = [];
  for (let length = 0; length < bytes; length += entries[entries.length - 1].length + 1) entries.push(entry(entries.length));
  return entries.join(',');
};

const BODIES: readonly [field: string, bound: string, body: string][] = [
  ['fallbacks', 'fallbacks', `{${MODEL},"fallbacks":[${many((at) => `"n${at}"`)}]}`],
  ['context_window_fallbacks', 'fallbacks', `{${MODEL},"context_window_fallbacks":[${many((at) => `{"m":["n,${at}"]}`)}]}`],
  ['tools', 'tools', `{${MODEL},"tools":[${many((at) => `{"type":"function","function":{"name":"f${at}"}}`)}]}`],
  ['prompt', 'messages', `{${MODEL},"prompt":[${many(() => '[1,2]')}]}`],
  ['stop', 'stop', `{${MODEL},"stop":[${many(() => '"\\\\\\"],"')}]}`],
  ['anything', 'list', `{${MODEL},"anything":[ ${many(() => '[1,2,3] ')}]}`],
  ['metadata', 'metadata', `{${MODEL},"metadata":{${many((at) => `"k${at}":[]`, 60_000)}}}`],
  ['body', 'fields', `{${MODEL},${many((at) => `"f${at}":1`, 60_000)}}`],
];

describe.each(Object.keys(ADAPTERS) as AdapterName[])('a list above its bound, sent to a gateway on %s', (adapter) => {
  let gateway: GatewayApp;
  beforeAll(async () => {
    const params = { model: 'openai/gpt-4o', api_key: 'sk', api_base: 'http://127.0.0.1:9' };
    const modelList = [{ model_name: 'm', litellm_params: params }];
    gateway = await GatewayApp.start(adapter, { rateLimit: { default: false } }, { module: { router: { modelList } } });
  });
  afterAll(() => gateway.stop());
  afterEach(() => jest.restoreAllMocks());

  it.each(BODIES)('is refused before anything parses it: %s', async (field, bound, body) => {
    const parse = jest.spyOn(JSON, 'parse');
    const { status, text } = await gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body });
    const longest = Math.max(0, ...parse.mock.calls.map(([parsed]) => parsed.length));
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      error: { param: field, code: 'too_many_entries', message: expect.stringContaining(`llmClient.bounds.${bound}`) as string },
    });
    // Without the addon `JSON.parse` decides what is JSON.
    if (usedEngine() === 'native') expect(longest).toBeLessThan(MIB / 2);
  });

  it.each([
    [
      'commas in texts and in nested lists',
      `{${MODEL},"fallbacks":[{"m":[${many((at) => `"${at},,,"`, 300)}]},"a,${',b'.repeat(20_000)}"]}`,
    ],
    ['as many as the bound', `{${MODEL},"stop":[${Array.from({ length: 64 }, () => `"${'s'.repeat(500)}"`).join(',')}]}`],
  ])('is none with %s', async (_, body) => {
    const { text } = await gateway.ask('/v1/chat/completions', { headers: { 'content-type': 'application/json' }, body });
    expect(text).not.toContain('llmClient.bounds');
  });
});
