import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';

/** Deployments of the public kinds that once were picked, and failed: by id, with what is said of each. */
export const BROKEN: Readonly<Record<string, readonly [params: Record<string, unknown>, reason: RegExp]>> = {
  bedrock: [
    { model: 'bedrock/invoke/anthropic.claude-3-5-sonnet-20240620-v1:0', aws_region_name: 'us-east-1' },
    /the route invoke\/ of bedrock is not supported/,
  ],
  vertex: [{ model: 'vertex_ai/gemini-1.5-pro', vertex_location: 'us-central1', s3_bucket_name: 'b' }, /vertex_project must be set/],
  typo: [{ model: 'anthropik/claude-3', api_key: 'sk-secret-typo' }, /unknown provider anthropik in anthropik\/claude-3/],
  gemini: [{ model: 'gemini-1.5-pro', api_key: 'sk-secret-gemini' }, /gemini-1\.5-pro is served by two providers/],
  unnamed: [{ model: 'my-finetune', api_key: 'sk-secret-unnamed' }, /the model my-finetune has no provider prefix/],
  'azure-nowhere': [{ model: 'azure/gpt-4', api_key: 'sk-secret-azure' }, /api_base must be set, because azure has no default address/],
  entra: [
    { model: 'azure/gpt-4', api_base: 'https://r.openai.azure.com', client_id: 'c', client_secret: 'sk-secret-entra' },
    /tenant_id must be set together with the other parts of the identity/,
  ],
  keyless: [{ model: 'groq/llama-3' }, /no API key: api_key is not set, nor is GROQ_API_KEY/],
  'unset-key': [{ model: 'openai/gpt-4o', api_key: 'os.environ/NO_SUCH_KEY' }, /environment variable NO_SUCH_KEY is not set/],
  'unset-model': [{ model: 'os.environ/NO_SUCH_MODEL', api_key: 'sk-secret-model' }, /environment variable NO_SUCH_MODEL is not set/],
  'unset-header': [
    { model: 'openai/gpt-4o', api_key: 'sk-secret-header', extra_headers: { 'x-team': 'os.environ/NO_SUCH_TEAM' } },
    /environment variable NO_SUCH_TEAM is not set/,
  ],
  'shell-key': [
    { model: 'openai/gpt-4o', api_key: '${NO_SUCH_KEY:-sk-secret-default}' },
    /litellm_params\.api_key contains \$\{NO_SUCH_KEY\}, which is not replaced/,
  ],
  'shell-base': [
    { model: 'openai/gpt-4o', api_key: 'sk-secret-shell', api_base: 'https://a.example/${NO_SUCH_ACCOUNT}/v1' },
    /litellm_params\.api_base contains \$\{NO_SUCH_ACCOUNT\}/,
  ],
  'shell-header': [
    { model: 'openai/gpt-4o', api_key: 'sk-secret-shell', extra_headers: { 'x-team': '${NO_SUCH_TEAM}' } },
    /litellm_params\.extra_headers contains \$\{NO_SUCH_TEAM\}/,
  ],
  'no-url': [{ model: 'openai/gpt-4o', api_base: 'sk-secret-not-a-url', api_key: 'k' }, /api_base must be an http:\/\/ or https:\/\/ URL/],
};
export const IDS = Object.keys(BROKEN);

export const entry = (params: Record<string, unknown>, id: string, group = 'chat'): ModelListEntry => ({
  model_name: group,
  litellm_params: params as { model: string },
  model_info: { id },
});

/** All of them, in one group. */
export const broken: readonly ModelListEntry[] = Object.entries(BROKEN).map(([id, [params]]) => entry(params, id));

export const working = (apiBase: string, id = 'working', group = 'chat'): ModelListEntry =>
  entry({ model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk-working' }, id, group);

const VARIABLES = [
  'GROQ_API_KEY',
  'OPENAI_API_KEY',
  'AZURE_API_KEY',
  'AZURE_OPENAI_API_KEY',
  'AZURE_API_BASE',
  'VERTEXAI_PROJECT',
  'GOOGLE_CLOUD_PROJECT',
];

/** Takes keys out of the environment; gives them back when what it returns is called. */
export function withoutKeys(): () => void {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of VARIABLES) delete process.env[name];
  return () => {
    for (const [name, value] of before) if (value !== undefined) process.env[name] = value;
  };
}
