import type { ModelListEntry } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';

/** OpenAI; without its key a local provider. */
export async function deployments(env: NodeJS.ProcessEnv): Promise<ModelListEntry[]> {
  const key = env.OPENAI_API_KEY;
  if (key === undefined) return localDeployments(await startLocalProvider());
  return [
    { model_name: 'chat', litellm_params: { model: 'openai/gpt-4o-mini', api_key: key } },
    { model_name: 'embeddings', litellm_params: { model: 'openai/text-embedding-3-small', api_key: key } },
  ];
}

/** A provider whose vectors count words, and whose chat answers with the first line of the notes. */
export function startLocalProvider(): Promise<TestProvider> {
  return startProvider('openai', {
    script: ({ body }) => {
      const { input, messages } = body as { input?: string | string[]; messages?: { content: string }[] };
      if (input !== undefined) return { embeddings: [input].flat().map(vectorOf) };
      return messages?.[0].content.split('\n')[2] ?? '';
    },
  });
}

export function localDeployments(provider: TestProvider): ModelListEntry[] {
  return [provider.deployment('chat'), provider.deployment('embeddings', { model: 'openai/text-embedding-3-small' })];
}

const DIMENSIONS = 256;

/** How often each word of more than three letters occurs, by a hash of the word. */
function vectorOf(text: string): number[] {
  const vector = new Array<number>(DIMENSIONS).fill(0);
  for (const word of text.toLowerCase().match(/[a-z]{4,}/g) ?? []) {
    let hash = 0;
    for (const letter of word) hash = (hash * 31 + letter.charCodeAt(0)) % 65_537;
    vector[hash % DIMENSIONS]++;
  }
  return vector;
}
