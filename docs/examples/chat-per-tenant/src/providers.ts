import type { ModelListEntry } from 'nestjs-fast-litellm';
import { startProvider } from 'nestjs-fast-litellm/testing';

/** OpenAI before Anthropic, as far as there are keys; without a key a local provider that needs none. */
export async function deployments(env: NodeJS.ProcessEnv): Promise<ModelListEntry[]> {
  const real = [
    { key: env.OPENAI_API_KEY, model: 'openai/gpt-4o-mini' },
    { key: env.ANTHROPIC_API_KEY, model: 'anthropic/claude-haiku-4-5' },
  ].filter(({ key }) => key !== undefined);
  if (real.length > 0) {
    return real.map(({ key, model }, order) => ({ model_name: 'chat', litellm_params: { model, api_key: key, order: order + 1 } }));
  }
  const local = await startProvider('openai', { script: { text: 'I am a local model and know only this sentence.', chunkDelayMs: 50 } });
  return [local.deployment('chat')];
}
