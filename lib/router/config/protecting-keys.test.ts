import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../test/project/sources.js';
import { checkNearMisses, unenforcedSettings } from './protecting-keys.js';

const fixture = (path: string): string => readFileSync(join(root, path), 'utf8');
const THEIRS = JSON.parse(fixture('test/fixtures/litellm/config-keys.json')) as Readonly<Record<string, readonly string[]>>;
const refused = (of: Parameters<typeof checkNearMisses>[2], keys: readonly string[]): readonly string[] =>
  keys.filter((key) => {
    try {
      checkNearMisses('x', { [key]: 1 }, of);
      return false;
    } catch {
      return true;
    }
  });

it.each([
  ['sections', ''],
  ['entry', 'entry'],
  ['litellm_params', 'litellm_params'],
  ['model_info', 'model_info'],
  ['router_settings', 'router_settings'],
  ['litellm_settings', 'litellm_settings'],
  ['general_settings', 'general_settings'],
] as const)('accepts every key of %s that LiteLLM knows', (list, of) => {
  expect(THEIRS[list].length).toBeGreaterThan(5);
  expect(refused(of, THEIRS[list])).toEqual([]);
});

it.each([
  ['openai/resources/chat/completions/completions.d.ts', 'max_completion_tokens'],
  ['openai/resources/responses/responses.d.ts', 'max_output_tokens'],
  ['openai/resources/images.d.ts', 'output_format'],
  ['@anthropic-ai/sdk/resources/messages/messages.d.ts', 'stop_sequences'],
])('accepts the fields of a provider: %s', (file, known) => {
  const fields = [...fixture(`node_modules/${file}`).matchAll(/^ {4}(\w+)\??:/gm)].map(([, name]) => name);
  expect(fields).toContain(known);
  expect(refused('litellm_params', [...fields, 'models', 'top_k', 'min_p', 'repetition_penalty', 'safety_settings'])).toEqual([]);
});

it('accepts what LiteLLM ignores under names like those of its variables', () => {
  expect(refused('router_settings', ['redis_ssl', 'redis_ttl', 'redis_uri'])).toEqual(['redis_uri']);
});

it.each([
  [{ team_id: 'a', success_callback: ['langfuse'] }, []],
  [{ team_id: 'a', max_budget: 10 }, ['litellm_settings.default_team_settings']],
])('tells settings of teams that only log from those that protect: %j', (team, found) => {
  expect(unenforcedSettings({ litellm_settings: { default_team_settings: [null, team] } })).toEqual(found);
});
