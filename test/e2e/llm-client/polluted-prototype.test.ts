import { FastLiteLLM, RateLimit } from 'nestjs-fast-litellm';
import { Deployment } from '../../../lib/router/deployments/deployment.js';
import { ProviderEndpoints } from '../../../lib/providers/endpoint/endpoints.js';
import { ownRules } from '../../../lib/http/decorators.js';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';

// A dependency of the app may let clients set fields of `Object.prototype`.

const polluted: string[] = [];
function pollute(fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    polluted.push(name);
    Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
  }
}
afterEach(async () => {
  for (const name of polluted.splice(0)) delete (Object.prototype as unknown as Record<string, unknown>)[name];
  await closeClients();
});

const elsewhere = 'https://elsewhere.example/v1';
const attack = {
  api_base: elsewhere,
  base_url: elsewhere,
  api_key: 'sk-attacker',
  custom_llm_provider: 'mistral',
  organization: 'attacker',
  headers: { 'x-attack': '1' },
  extra_headers: { 'x-attack': '1' },
  default_headers: { 'x-attack': '1' },
  extra_body: { attack: 1 },
  aws_bedrock_runtime_endpoint: elsewhere,
  vertex_project: 'attacker',
  tenant_id: 'attacker',
};

describe('fields of a polluted Object.prototype', () => {
  it.each<[string, string, object]>([
    ['openai/gpt-4o', 'https://api.openai.com', { api_key: 'sk-own' }],
    ['anthropic/claude-sonnet-4-5', 'https://api.anthropic.com', { api_key: 'sk-own' }],
    [
      'bedrock/anthropic.claude-3-haiku',
      'https://bedrock-runtime.us-east-1.amazonaws.com',
      { aws_region_name: 'us-east-1', api_key: 'sk-own' },
    ],
    ['gemini/gemini-2.5-pro', 'https://generativelanguage.googleapis.com', { api_key: 'sk-own' }],
    ['*', 'https://api.openai.com', {}],
  ])('are no parameters of a deployment: %s', (model, origin, params) => {
    const { router } = clientOf({ modelList: [{ model_name: 'm', litellm_params: { model, ...params } }] });
    const [deployment] = router.deployments();
    expect(deployment).toBeInstanceOf(Deployment);
    pollute(attack);
    const called = model === '*' ? 'openai/gpt-4o' : model;
    const { endpoint, fixed } = new ProviderEndpoints({ OPENAI_API_KEY: 'sk-own' }).of(deployment, called);
    expect([endpoint.origin, fixed]).toEqual([origin, undefined]);
    expect(endpoint.headers.join(' ')).toContain('sk-own');
    expect(endpoint.headers.join(' ')).not.toContain('attack');
  });

  it('make no request free of its limits', async () => {
    const llm = new FastLiteLLM({ rateLimit: { requestsPerMinute: 1 }, logger: { log: () => {}, warn: () => {}, error: () => {} } });
    pollute({ cost: 0, limit: undefined, limits: undefined });
    const allowed = [{}, { tokens: 0 }, undefined].map((options) => llm.rateLimiter.isAllowed('a', options));
    expect(allowed).toEqual([true, false, false]);
    expect(llm.rateLimiter.isAllowed('b', { cost: 0 })).toBe(true);
    await llm.close();
  });

  it('make no request free of the limits of its route', () => {
    class Routes {
      @RateLimit({ requestsPerMinute: 1 })
      limited(): void {}
    }
    pollute({ cost: 0, tokens: 0, usd: 0, skipIf: 'x' });
    const [rule] = ownRules(Reflect.get(Routes.prototype, 'limited'));
    expect([rule.cost, rule.tokens, rule.usd, rule.skipIf]).toEqual([undefined, undefined, undefined, undefined]);
  });
});
