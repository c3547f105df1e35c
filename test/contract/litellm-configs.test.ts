import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { HELLO } from '../support/llm-client-providers.js';

jest.mock('@azure/identity', () => ({
  ClientSecretCredential: class {
    getToken = () => Promise.resolve({ token: 'token-of-entra', expiresOnTimestamp: Date.now() + 3_600_000 });
  },
}));

/** Without a network there is no application default. */
jest.mock('google-auth-library', () => ({
  GoogleAuth: class {
    getClient = async (): Promise<object> => ({ credentials: {}, getAccessToken: async () => ({ token: 'token-of-google' }) });
  },
}));

const folder = join(__dirname, '../fixtures/litellm-configs');
/** Keys as people have them; `os.environ/…` of the files is read from here. */
const env = Object.fromEntries(
  `OPENAI ANTHROPIC GEMINI GROQ MISTRAL TOGETHERAI COHERE PERPLEXITY MOONSHOT OPENROUTER CEREBRAS DATABRICKS FIREWORKS NVIDIA_NIM GITHUB AZURE AZURE_AI`
    .split(/\s+/)
    .map((name) => [`${name}_API_KEY`, `key-of-${name}`]),
);
Object.assign(env, {
  AZURE_API_BASE: 'https://mine.openai.azure.com',
  AZURE_API_KEY_EU: 'key-eu',
  AZURE_API_KEY_CA: 'key-ca',
  AZURE_TENANT_ID: 't',
  AZURE_CLIENT_ID: 'c',
  AZURE_CLIENT_SECRET: 'secret-of-entra',
  AZURE_AD_TOKEN: 'token-of-azure',
  AWS_ACCESS_KEY_ID: 'AKIA',
  AWS_SECRET_ACCESS_KEY: 'secret-of-aws',
  AWS_BEARER_TOKEN_BEDROCK: 'key-of-bedrock',
  UPSTREAM_KEY: 'key-of-upstream',
});

/** Of each deployment: where its request goes and whose key it has, or why it gets none. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  '01-quick-start.yaml': [
    'gpt-4o: https://mine.openai.azure.com/openai/deployments/my_azure_deployment/chat/completions?api-version=2025-01-01-preview key-of-AZURE',
  ],
  '02-load-balancing.yaml': [
    'gpt-4o: https://eu.openai.azure.com/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21 key-eu',
    'gpt-4o: https://ca.openai.azure.com/openai/deployments/gpt-4o-ca/chat/completions?api-version=2024-10-21 key-ca',
    'gpt-4o: https://api.openai.com/v1/chat/completions key-of-OPENAI',
  ],
  '03-every-provider.yaml': [
    'claude: https://api.anthropic.com/v1/messages key-of-ANTHROPIC',
    'gemini: https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent key-of-GEMINI',
    'groq: https://api.groq.com/openai/v1/chat/completions key-of-GROQ',
    'mistral: https://api.mistral.ai/v1/chat/completions key-of-MISTRAL',
    'together: https://api.together.ai/v1/chat/completions key-of-TOGETHERAI',
    'command: https://api.cohere.ai/compatibility/v1/chat/completions key-of-COHERE',
    'sonar: https://api.perplexity.ai/chat/completions key-of-PERPLEXITY',
    'kimi: https://api.moonshot.cn/v1/chat/completions key-of-MOONSHOT',
  ],
  '04-wildcards.yaml': [
    'openai/*: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'anthropic/*: https://api.anthropic.com/v1/messages key-of-ANTHROPIC',
    'groq/*: https://api.groq.com/openai/v1/chat/completions key-of-GROQ',
    'vertex_ai/*: https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent token-of-google',
    'claude-*: https://api.anthropic.com/v1/messages key-of-ANTHROPIC',
    '*: https://api.groq.com/openai/v1/chat/completions key-of-GROQ',
  ],
  '05-bedrock.yaml': [
    'claude-bedrock: https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse AWS4-HMAC-SHA256 Credential=AKIA',
    'nova: https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.nova-pro-v1%3A0/converse key-of-bedrock',
    'mantle: https://bedrock-mantle.eu-west-1.api.aws/v1/chat/completions key-of-bedrock',
  ],
  '06-vertex.yaml': [
    'gemini-pro: litellm_params.vertex_credentials must be Google credentials as JSON, or the path of a credentials file',
    'bare: gemini-1.5-pro is served by two providers',
  ],
  '07-local-servers.yaml': [
    'vllm: http://gpu:8000/v1/chat/completions no key',
    'ollama: http://localhost:11434/v1/chat/completions no key',
    'generate: http://localhost:11434/v1/chat/completions no key',
    'lmstudio: http://localhost:1234/v1/chat/completions no key',
    'in-process: the protocol of vllm is not supported yet',
    'openai-like: http://0.0.0.0:8000/chat/completions no key',
  ],
  '08-azure-entra.yaml': [
    'gpt-4o: https://my.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 token-of-entra',
    'token: https://my.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21 token-of-azure',
    'foundry: https://my.services.ai.azure.com/models/chat/completions key-of-AZURE_AI',
    'nowhere: litellm_params.api_base must be set, because azure_ai has no default address',
  ],
  '09-fallbacks.yaml': [
    'zephyr-beta: http://0.0.0.0:8001/chat/completions no key',
    'gpt-3.5-turbo: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'gpt-3.5-turbo-16k: https://api.openai.com/v1/chat/completions key-of-OPENAI',
  ],
  '10-embeddings.yaml': [
    'text-embedding-ada-002: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'small: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'cohere-embed: https://api.cohere.ai/compatibility/v1/chat/completions key-of-COHERE',
    'gecko: text-embedding-004 is served by two providers',
    'titan: https://bedrock-runtime.us-west-2.amazonaws.com/model/amazon.titan-embed-text-v1/converse key-of-bedrock',
  ],
  '11-unset-variables.yaml': [
    'by-variable: the environment variable SOME_MODEL_THAT_IS_NOT_SET is not set',
    'no-base: the environment variable SOME_BASE_THAT_IS_NOT_SET is not set',
    'no-key: the environment variable SOME_KEY_THAT_IS_NOT_SET is not set',
    'no-header: the environment variable SOME_TEAM_THAT_IS_NOT_SET is not set',
    'fine: https://api.openai.com/v1/chat/completions key-of-OPENAI',
  ],
  '12-team-gateway.yaml': [
    'upstream: http://upstream:4000/chat/completions key-of-upstream',
    'messages: https://api.anthropic.com/v1/messages key-of-ANTHROPIC',
    'copilot: the protocol of github_copilot is not supported yet',
    'models: https://models.inference.ai.azure.com/chat/completions key-of-GITHUB',
    'router: https://openrouter.ai/api/v1/chat/completions key-of-OPENROUTER',
  ],
  '13-other-clouds.yaml': [
    'sagemaker: the protocol of sagemaker is not supported yet',
    'watsonx: the protocol of watsonx is not supported yet',
    'replicate: the protocol of replicate is not supported yet',
    'databricks: https://adb-1.azuredatabricks.net/serving-endpoints/chat/completions key-of-DATABRICKS',
    'fireworks: https://api.fireworks.ai/inference/v1/chat/completions key-of-FIREWORKS',
    'nvidia: https://integrate.api.nvidia.com/v1/chat/completions key-of-NVIDIA_NIM',
    'snowflake: the protocol of snowflake is not supported yet',
  ],
  '14-anchors.yaml': [
    'a: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'b: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'typo: unknown provider opnai in opnai/gpt-4o',
    'finetune: https://api.openai.com/v1/chat/completions key-of-OPENAI',
    'azure-without-base: the model gpt-4-eu has no provider prefix',
  ],
  '15-custom-provider.yaml': [
    'by-field: https://api.cerebras.ai/v1/chat/completions key-of-CEREBRAS',
    'unknown-field: unknown provider my_llm',
    'at-host: https://api.together.xyz/v1/chat/completions key-of-TOGETHERAI',
    'elsewhere: https://evil.example/api.groq.com/openai/v1/chat/completions no key',
    'plain: the model my-finetune has no provider prefix',
  ],
};

const quiet = { log: () => {}, warn: () => {}, error: () => {} };

async function ask(file: string): Promise<{ readonly found: string[]; readonly llm: FastLiteLLM }> {
  const llm = new FastLiteLLM({ router: { configPath: join(folder, file), numRetries: 0, maxFallbacks: 0 }, logger: quiet }, { env });
  let asked = '';
  jest.spyOn(llm.connectionPool.dispatcher, 'dispatch').mockImplementation(({ origin, path, headers }) => {
    const list = headers as string[];
    const at = list.findIndex((name, i) => i % 2 === 0 && /authorization|api-key/.test(name));
    asked = `${String(origin)}${path} ${at < 0 ? 'no key' : list[at + 1].replace('Bearer ', '').replace(/\/\d{8}\/.*/, '')}`;
    throw new Error('asked enough');
  });
  const found: string[] = [];
  for (const { id, modelName, uncallable } of llm.router.deployments()) {
    if (uncallable === undefined) {
      // By its id: each deployment is a group of its own then. Of a pattern a name that it fits.
      const model = modelName.includes('*') ? modelName.replace('*', modelName === '*' ? 'groq/m' : 'm') : id;
      await expect(llm.client.chat({ model, messages: [...HELLO] })).rejects.toThrow('asked enough');
      found.push(`${modelName}: ${asked}`);
    } else {
      expect(uncallable.remedy).not.toBe('');
      found.push(`${modelName}: ${uncallable.reason}`);
    }
  }
  return { found, llm };
}

describe('a LiteLLM configuration', () => {
  it.each(readdirSync(folder))('%s: each deployment is callable or has a reason', async (file) => {
    const { found, llm } = await ask(file);
    await new Promise((resolve) => setImmediate(resolve));
    await llm.close();
    expect(found).toEqual(EXPECTED[file]);
    expect(found.join()).not.toMatch(/secret-of/);
  });

  it('has expectations in this suite', () => expect(Object.keys(EXPECTED)).toEqual(readdirSync(folder)));
});
