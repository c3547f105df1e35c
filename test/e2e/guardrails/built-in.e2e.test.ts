import { FastLiteLLM, setPrincipal, type GuardrailEntry } from 'nestjs-fast-litellm';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';

type Fields = Record<string, unknown>;

const opened: GatewayApp[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.stop()));
  await stopProviders();
});

/** A gateway with one guardrail of a built-in type in front of a provider. */
async function start(params: Fields, script: unknown) {
  const upstream = await testProvider('openai', { script } as never);
  const entry = { guardrail_name: 'g', litellm_params: { default_on: true, ...params } } as unknown as GuardrailEntry;
  const app = await GatewayApp.start('Fastify', {}, { module: { router: { modelList: [upstream.deployment('m')] }, guardrails: [entry] } });
  opened.push(app);
  return { app, upstream };
}

const CALLS: readonly (readonly [name: string, path: string, body: Fields])[] = [
  ['chat', '/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] }],
  ['Messages', '/v1/messages', { max_tokens: 99, messages: [{ role: 'user', content: 'hi' }] }],
  ['Responses', '/v1/responses', { input: 'hi' }],
];
const FORMS = CALLS.flatMap(([name, path, body]) => [
  [`${name}, whole`, path, { ...body, model: 'm' }] as const,
  [`${name}, streamed`, path, { ...body, model: 'm', stream: true }] as const,
]);

it('masks a long request in portions, wherever they are cut', async () => {
  const patterns = [{ pattern_type: 'prebuilt', pattern_name: 'email', action: 'MASK' }];
  const { app, upstream } = await start({ guardrail: 'litellm_content_filter', mode: 'pre_call', patterns }, 'Hello');
  // An address every 37 characters, so that some are at every border.
  const content = 'Write to jane.doe@mail.example.org, '.repeat(6_000);
  const { status } = await app.post('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content }] });
  expect(status).toBe(200);
  const [{ content: sent }] = (upstream.requests.at(-1)?.body as { messages: { content: string }[] }).messages;
  expect(sent).toBe('Write to [EMAIL_REDACTED], '.repeat(6_000));
});

it.each([
  ['white space', ' '.repeat(40)],
  ['much white space', '\n'.repeat(5_000)],
  ['invisible characters', ` ${'\u200b'.repeat(40)}`],
])('denies a phrase with %s between its words at the border of portions', async (_, between) => {
  const words = [{ keyword: 'red bird', action: 'BLOCK' }];
  const { app, upstream } = await start({ guardrail: 'litellm_content_filter', mode: 'pre_call', blocked_words: words }, 'Hello');
  for (const before of [16_384 - 3 - 20, 16_384 - 3 - between.length + 1]) {
    const content = `${'x'.repeat(before - 1)} red${between}bird${' word'.repeat(4_000)}`;
    const { status } = await app.post('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content }] });
    expect(status).toBe(400);
  }
  expect(upstream.requests).toHaveLength(0);
});

it('denies a phrase with a gap in a stream', async () => {
  const words = [{ keyword: 'red bird', action: 'BLOCK' }];
  const answer = `A red${' '.repeat(60)}bird.`;
  const { app } = await start({ guardrail: 'litellm_content_filter', mode: 'post_call', blocked_words: words }, answer);
  const { text } = await app.post('/v1/chat/completions', { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] });
  expect(text).not.toContain('bird');
});

it('denies a long request with something to block at its end', async () => {
  const { app, upstream } = await start(
    { guardrail: 'litellm_content_filter', mode: 'pre_call', blocked_words: [{ keyword: 'falcon', action: 'BLOCK' }] },
    'Hello',
  );
  const content = `${'word '.repeat(20_000)}falcon`;
  const { status, text } = await app.post('/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content }] });
  expect(status).toBe(400);
  expect(text).not.toContain('falcon');
  expect(upstream.requests).toHaveLength(0);
});

it.each([
  ['key', { metadata: { guardrails: ['pii'] } }],
  ['team', { teamMetadata: { guardrails: ['pii'] } }],
])('denies calls of a %s that selects guardrails if none is configured', async (_, more) => {
  const upstream = await testProvider('openai', { script: 'Hello' });
  const llm = new FastLiteLLM({ router: { modelList: [upstream.deployment('m')] } });
  const request = { headers: {} };
  const principal = { limitKey: 'key:a', tags: [], metadata: {}, isAdmin: false, mayCall: () => true };
  const ask = () => llm.client.chat({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }, { request });
  setPrincipal(request, { ...principal, ...more });
  await expect(ask()).rejects.toMatchObject({ error: { code: 'guardrail_not_found' } });
  expect(upstream.requests).toHaveLength(0);
  setPrincipal(request, { ...principal, metadata: { guardrails: [] } });
  await expect(ask()).resolves.toBeDefined();
  await llm.close();
});

describe.each(FORMS)('%s', (_, path, body) => {
  it('masks what a local type finds in an answer', async () => {
    const patterns = [{ pattern_type: 'prebuilt', pattern_name: 'email', action: 'MASK' }];
    const { app } = await start(
      { guardrail: 'litellm_content_filter', mode: 'post_call', patterns },
      'Write to jane.doe@example.org, please.',
    );
    const { status, text } = await app.post(path, body);
    expect(status).toBe(200);
    expect(text).not.toMatch(/jane|doe@|example\.org/);
    expect(text.replace(/\s+/g, '')).toContain('[EMAIL_REDACTED]');
  });

  it.each([
    ['allowed', 'read_file', '{"path":"/tmp/a \\"b\\""}', true],
    ['with other arguments', 'read_file', '{"path":"/etc/passwd"}', false],
    ['that is not allowed', 'shell', '{"path":"/tmp/a"}', false],
  ])('checks a called tool %s', async (_case, name, args, isAllowed) => {
    const rules = [{ id: 'read', tool_name: 'read_.*', decision: 'allow', allowed_param_patterns: { path: '/tmp/.*' } }];
    const { app } = await start({ guardrail: 'tool_permission', mode: 'post_call', rules }, { toolCalls: [{ name, arguments: args }] });
    const { status, text } = await app.post(path, body);
    if (isAllowed) {
      expect(status).toBe(200);
      expect(text).toContain('read_file');
      expect(text).toContain('/tmp/a');
    } else {
      expect(text).toContain('Violated guardrail policy');
      expect(text).not.toContain('/etc/passwd');
    }
  });
});
