import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../../common/version.js';
import { runCommand, type CommandInput } from '../../../test/support/command-run.js';
import type { DoctorFinding } from '../doctor/finding.js';

const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

async function doctor(args: string[], input?: CommandInput) {
  const { code, out } = await runCommand(['doctor', '--json', ...args], input);
  const { status, findings } = JSON.parse(out) as { status: string; findings: DoctorFinding[] };
  return { code, status, findings, of: (subject: string) => findings.filter((finding) => finding.subject.startsWith(subject)) };
}

describe('doctor', () => {
  it('shows versions, the engine of each capability, and the tokenizers', async () => {
    const { code, status, of } = await doctor([]);
    expect({ code, status }).toEqual({ code: 0, status: 'ok' });
    expect(of('versions')[0].detail).toContain(`nestjs-fast-litellm ${VERSION}, Node ${process.versions.node}`);
    expect(of('engine ').map(({ subject }) => subject)).toEqual(expect.arrayContaining(['engine token_counting', 'engine routing']));
    expect(of('tokenizers')[0].detail).toContain('o200k_base');
  });

  it('says why an engine is not native', async () => {
    const { of } = await doctor([], { env: { FAST_LITELLM_ENGINE: 'typescript' } });
    expect(of('engine token_counting')[0].detail).toBe('TypeScript (addon not loaded: FAST_LITELLM_ENGINE is typescript)');
  });

  it('shows a flag that keeps the native engine from answering', async () => {
    const { code, of } = await doctor([], { env: { FAST_LITELLM_RUST_ROUTING: 'disabled' } });
    expect(code).toBe(0);
    expect(of('flag ')).toEqual([expect.objectContaining({ subject: 'flag rust_routing', status: 'warning', detail: 'is disabled' })]);
  });

  it('names deployments that cannot be called, and what to do, without a secret', async () => {
    const config = file(
      'config.yaml',
      [
        'model_list:',
        '  - model_name: gpt',
        '    litellm_params: { model: azure/gpt-4o, api_key: os.environ/NOT_SET_HERE }',
        '  - model_name: gpt',
        '    litellm_params: { model: openai/gpt-4o, api_key: sk-secret }',
        '  - model_name: own',
        '    litellm_params: { model: openai/my-own, api_key: sk-secret, api_base: "http://own.example" }',
        '  - model_name: priced',
        '    litellm_params: { model: openai/my-priced, api_base: "http://own.example", input_cost_per_token: 1, output_cost_per_token: 1 }',
        '  - model_name: named',
        '    litellm_params: { model: openai/my-named, api_base: "http://own.example", base_model: gpt-4o }',
        '  - model_name: openai/*',
        '    litellm_params: { model: openai/*, api_key: sk-secret }',
      ].join('\n'),
    );
    const { code, findings, of } = await doctor(['--config', config]);
    expect(code).toBe(1);
    expect(of('deployments')[0]).toMatchObject({ status: 'ok', detail: '5 of 6 can be called, in 5 of 5 model groups' });
    expect(of('deployment gpt/')).toEqual([
      expect.objectContaining({
        status: 'error',
        detail: expect.stringContaining('NOT_SET_HERE'),
        advice: expect.stringContaining('set it'),
      }),
    ]);
    expect(of('prices')[0]).toMatchObject({
      status: 'warning',
      detail: 'no price is known for openai/my-own, so their cost is not counted',
    });
    expect(JSON.stringify(findings)).not.toContain('sk-secret');
    const prices = file('prices.json', JSON.stringify({ 'openai/my-own': { input_cost_per_token: 1, output_cost_per_token: 1 } }));
    expect((await doctor(['--config', config, '--prices', prices])).of('prices')).toEqual([]);
  });

  it('counts the groups that can be called, and names the others', async () => {
    const config = file(
      'groups.yaml',
      [
        'model_list:',
        '  - model_name: whole',
        '    litellm_params: { model: openai/gpt-4o, api_key: sk-secret }',
        '  - model_name: half',
        '    litellm_params: { model: openai/gpt-4o, api_key: sk-secret }',
        '  - model_name: half',
        '    litellm_params: { model: mistral/mistral-small-latest }',
        '  - model_name: closed',
        '    litellm_params: { model: elsewhere/unpriced }',
        '  - model_name: shut',
        '    litellm_params: { model: cohere/command-r }',
      ].join('\n'),
    );
    const { of } = await doctor(['--config', config]);
    expect(of('deployments')[0].detail).toBe('2 of 5 can be called, in 2 of 4 model groups');
    expect(of('model groups')).toEqual([
      expect.objectContaining({ status: 'error', detail: 'no deployment of closed, shut can be called', advice: expect.any(String) }),
    ]);
    expect(of('deployment ')).toHaveLength(3);
    // What cannot be called costs nothing.
    expect(of('prices')).toEqual([]);
  });

  it('finds the prices of models without output', async () => {
    const models = ['openai/text-embedding-3-small', 'voyage/voyage-3', 'openai/gpt-4o', 'cohere/rerank-v3.5', 'openai/no-such-embedding'];
    const entry = (model: string, index: number) =>
      `  - { model_name: g${index}, litellm_params: { model: ${model}, api_key: sk-secret } }`;
    const config = file('embeddings.yaml', ['model_list:', ...models.map(entry)].join('\n'));
    const prices = file(
      'embedding-prices.json',
      JSON.stringify({
        'voyage/voyage-3': { litellm_provider: 'voyage', mode: 'embedding', input_cost_per_token: 6e-8 },
        'rerank-v3.5': {
          litellm_provider: 'cohere',
          mode: 'rerank',
          input_cost_per_query: 0.002,
          input_cost_per_token: 0,
          output_cost_per_token: 0,
        },
      }),
    );
    const { of } = await doctor(['--config', config, '--prices', prices]);
    expect(of('prices')[0].detail).toBe('no price is known for openai/no-such-embedding, so their cost is not counted');
  });

  it('warns of settings that are misspelt, unknown or without effect', async () => {
    const config = file(
      'settings.yaml',
      [
        'model_list:',
        '  - model_name: gpt',
        '    litellm_params: { model: openai/gpt-4o, api_key: sk-secret, my_knob: 1 }',
        '  - model_name: gpt',
        '    litellm_params: { model: azure/gpt-4o, api_key: os.environ/NOT_SET_HERE }',
        'router_settings: { num_retrys: 2, redis_password: os.environ/NO_PASSWORD, fallbacks: [{ gpt: [gtp] }] }',
        'litellm_settings: { cache: true, callbacks: [langfuse] }',
        'general_settings: { master_key: sk-secret }',
      ].join('\n'),
    );
    const { of } = await doctor(['--config', config]);
    const details = of('settings').map(({ status, detail }) => `${status} ${detail}`);
    expect(details).toHaveLength(6);
    expect(details).toContainEqual(expect.stringMatching(/router_settings\.fallbacks: "gtp" is not a model group \(did you mean gpt\?\)/));
    const adviceOn = (words: string) => of('settings').find(({ detail }) => detail.includes(words))?.advice;
    expect(adviceOn('variable NO_PASSWORD')).toBe("set it in the app's environment");
    expect(adviceOn('master_key protects')).toContain('router.handledSettings');
    expect(adviceOn('num_retrys')).toContain('correct the name');
    for (const named of ['num_retrys', 'litellm_settings.cache', 'my_knob'])
      expect(details).toContainEqual(expect.stringMatching(`^warning .*${named}`));
    expect(of('callbacks').map(({ detail }) => detail)).toEqual([
      `${config}: the callback langfuse has no effect (LANGFUSE_PUBLIC_KEY must be set)`,
    ]);
  });

  it('reports a near miss of a protecting setting as a failed start', async () => {
    const list = 'model_list: [{ model_name: gpt, litellm_params: { model: openai/gpt-4o, api_key: k } }]\n';
    const { code, of } = await doctor(['-c', file('near.yaml', `${list}general_settings: { mastr_key: sk-secret }`)]);
    expect(code).toBe(1);
    expect(of('start')[0].detail).toMatch(/general_settings\.mastr_key: is not a known option \(did you mean master_key\?\)/);
    expect(of('start')[0].detail).not.toContain('sk-secret');
  });

  it('says why an app with this file would not start', async () => {
    const { code, findings } = await doctor(['-c', join(folder, 'missing.yaml')]);
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ subject: 'start', detail: expect.stringContaining('missing.yaml: cannot be read') }),
    ]);
  });

  it('says whether Redis answers, without its password', async () => {
    // As much of Redis as answers each command with its greeting.
    const server = createServer((socket) => {
      socket.on('data', (data) => {
        const commands = data.toString().match(/^\*\d+/gm) ?? [];
        socket.write('+PONG\r\n'.repeat(commands.length));
      });
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const reached = await doctor(['--redis', `redis://:hidden@127.0.0.1:${port}`]);
    expect(reached.of('redis')).toEqual([
      expect.objectContaining({
        subject: `redis 127.0.0.1:${port}`,
        detail: expect.stringMatching(/^responds; the slowest of 5 pings took \d/),
      }),
    ]);
    await new Promise((resolve) => server.close(resolve));
    const refused = await doctor(['--redis', `redis://:hidden@127.0.0.1:${port}`]);
    expect(refused.code).toBe(1);
    expect(refused.of('redis')[0]).toMatchObject({ status: 'error', detail: expect.stringContaining('ECONNREFUSED') });
    expect(JSON.stringify([reached.findings, refused.findings])).not.toContain('hidden');
  });

  it('writes a table with what to do below each finding', async () => {
    const { out } = await runCommand(['doctor', '--config', join(folder, 'missing.yaml')]);
    expect(out).toMatch(/^error {2}start {2}\S.*\n {14}→ /);
  });

  it.each([
    ['nonsense', 'must be a redis:// or rediss:// URL, got "nonsense"'],
    ['', "must be a non-empty string, got ''"],
    ['http://u:hidden@a:1', 'must be a redis:// or rediss:// URL, got "http://***@a:1"'],
    ['redis://:hidden', 'must be a redis:// or rediss:// URL, got "redis://:***"'],
    ['redis://u:hid?den@den@a:66666', 'must be a redis:// or rediss:// URL, got "redis://u:***?***"'],
    ['redis://:hidden%@a', 'must encode % in its user and password as %25, got "redis://***@a"'],
    ['redis://a/hidden?password=hidden', 'must have a database number as its path, such as redis://localhost:6379/1, got'],
  ])('refuses --redis %s by its rule and without its password', async (value, message) => {
    const { code, err, out } = await runCommand(['doctor', '--redis', value]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(`--redis: ${message}`);
    expect(err.replace('redis://a/hidden?', '')).not.toContain('hidden');
  });
});
