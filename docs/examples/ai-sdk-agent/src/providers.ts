import type { ModelListEntry } from 'nestjs-fast-litellm';
import { startProvider, type ProviderScript } from 'nestjs-fast-litellm/testing';

/** OpenAI with Anthropic as its backup; without their keys two local providers that play one conversation. */
export async function deployments(env: NodeJS.ProcessEnv): Promise<ModelListEntry[]> {
  const { OPENAI_API_KEY: openai, ANTHROPIC_API_KEY: anthropic } = env;
  if (openai !== undefined && anthropic !== undefined) {
    return [
      { model_name: 'agent', litellm_params: { model: 'openai/gpt-4o-mini', api_key: openai } },
      { model_name: 'agent-backup', litellm_params: { model: 'anthropic/claude-haiku-4-5', api_key: anthropic } },
    ];
  }
  const main = await startProvider('openai', { script: SUPPORT_SCRIPT, cycle: true });
  const backup = await startProvider('anthropic', { script: 'Please ask again later.' });
  return [main.deployment('agent'), backup.deployment('agent-backup')];
}

const SUPPORT_SCRIPT: ProviderScript = [
  { toolCalls: [{ name: 'findOrder', arguments: { id: '17' } }] },
  'Order 17 is a kettle. Shall I refund it?',
];
