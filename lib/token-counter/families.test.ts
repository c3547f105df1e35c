import { FAMILY_NAMES, familyOf, type FamilyName } from './families.js';
import { modelFacts } from './models.js';

/** Names as twelve providers have them; `null`: no public tokenizer. */
const NAMES: readonly (readonly [FamilyName | null, ...string[]])[] = [
  [
    'llama-3',
    'bedrock/us.meta.llama3-1-70b-instruct-v1:0',
    'meta.llama3-70b-instruct-v1:0',
    'meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo',
    'groq/llama-3.3-70b-versatile',
    'groq/llama3-8b-8192',
    'ollama/llama3.1:8b',
    'ollama/llama3.2',
    'fireworks_ai/accounts/fireworks/models/llama-v3p1-8b-instruct',
    'fireworks_ai/accounts/fireworks/models/llama-v3p3-70b-instruct',
    'cerebras/llama3.1-70b',
    'together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo',
    'openrouter/meta-llama/llama-3.2-3b-instruct',
    'vertex_ai/meta/llama-3.1-405b-instruct-maas',
    'cloudflare/@cf/meta/llama-3.1-8b-instruct',
    'groq/deepseek-r1-distill-llama-70b',
    'nvidia_nim/nvidia/llama-3.1-nemotron-70b-instruct',
    'replicate/meta/meta-llama-3-8b-instruct',
    'sambanova/Meta-Llama-3.1-8B-Instruct',
  ],
  [
    'llama-4',
    'groq/meta-llama/llama-4-scout-17b-16e-instruct',
    'bedrock/us.meta.llama4-maverick-17b-instruct-v1:0',
    'fireworks_ai/accounts/fireworks/models/llama4-scout-instruct-basic',
    'azure_ai/Llama-4-Maverick-17B-128E-Instruct-FP8',
    'meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8',
    'together_ai/meta-llama/Llama-4-Scout-17B-16E-Instruct',
  ],
  [
    'llama-2',
    'replicate/meta/llama-2-70b-chat',
    'ollama/llama2:13b',
    'bedrock/meta.llama2-70b-chat-v1',
    'ollama/codellama',
    'cloudflare/@cf/meta/llama-2-7b-chat-int8',
  ],
  [
    'qwen',
    'openrouter/qwen/qwen-2.5-coder-32b-instruct',
    'dashscope/qwen-max',
    'dashscope/qwq-plus',
    'groq/qwen-qwq-32b',
    'groq/qwen/qwen3-32b',
    'together_ai/Qwen/Qwen2.5-72B-Instruct-Turbo',
    'fireworks_ai/accounts/fireworks/models/qwen3-235b-a22b',
    'ollama/qwen2.5-coder:7b',
    'bedrock/qwen.qwen3-coder-480b-a35b-v1:0',
    'together_ai/deepseek-ai/DeepSeek-R1-Distill-Qwen-14B',
    'cerebras/qwen-3-32b',
  ],
  [
    'qwen-3.5',
    'openrouter/qwen/qwen3.5-397b-a17b',
    'dashscope/qwen3.5-plus',
    'ollama/qwen3.6:27b',
    'fireworks_ai/accounts/fireworks/models/qwen3p5-plus',
  ],
  [
    'deepseek-v3',
    'deepseek/deepseek-chat',
    'deepseek/deepseek-reasoner',
    'deepseek/deepseek-v3.2',
    'openrouter/deepseek/deepseek-r1-0528',
    'bedrock/us.deepseek.r1-v1:0',
    'bedrock/deepseek.v3-v1:0',
    'azure_ai/DeepSeek-V3-0324',
    'together_ai/deepseek-ai/DeepSeek-V3.1',
    'fireworks_ai/accounts/fireworks/models/deepseek-v3p1',
    'sambanova/DeepSeek-R1',
  ],
  [
    'tekken',
    'mistral/open-mistral-nemo',
    'mistral/pixtral-large-latest',
    'mistral/ministral-8b-latest',
    'mistral/magistral-medium-2506',
    'mistral/devstral-small-2505',
    'mistral/mistral-small-latest',
    'mistral/mistral-medium-latest',
    'openrouter/mistralai/mistral-small-3.2-24b-instruct',
    'azure_ai/mistral-small-2503',
    'azure_ai/mistral-medium-2505',
    'ollama/mistral-nemo:12b',
  ],
  [
    'mistral-v3',
    'groq/mixtral-8x7b-32768',
    'mistral/open-mixtral-8x22b',
    'bedrock/mistral.mixtral-8x7b-instruct-v0:1',
    'bedrock/mistral.mistral-7b-instruct-v0:2',
    'mistral/mistral-tiny',
  ],
  [
    'gemma-2',
    'groq/gemma2-9b-it',
    'ollama/gemma2:2b',
    'cloudflare/@cf/google/gemma-7b-it',
    'fireworks_ai/accounts/fireworks/models/gemma-2-9b-it',
  ],
  [
    'gemma-3',
    'gemini/gemma-3-27b-it',
    'ollama/gemma3:4b',
    'openrouter/google/gemma-3-12b-it',
    'gemini/gemini-2.0-flash',
    'gemini/gemini-2.5-pro',
    'vertex_ai/gemini-2.5-flash-lite',
    'openrouter/google/gemini-2.5-flash',
    'gemini/gemini-3-pro-preview',
  ],
  ['gemma-4', 'gemini/gemini-3.1-pro-preview', 'ollama/gemma4:31b', 'gemini/gemini-3.5-flash'],
  ['phi-4', 'azure_ai/Phi-4', 'ollama/phi4', 'azure_ai/Phi-4-reasoning'],
  ['phi-4-mini', 'azure_ai/Phi-4-mini-instruct', 'azure_ai/Phi-4-multimodal-instruct', 'ollama/phi4-mini'],
  [
    'command-r',
    'cohere/command-r',
    'cohere/command-r-plus-08-2024',
    'bedrock/cohere.command-r-plus-v1:0',
    'cohere_chat/command-r7b-12-2024',
    'ollama/command-r:35b',
  ],
  ['glm-4', 'zai/glm-4.6', 'openrouter/z-ai/glm-4.5-air', 'fireworks_ai/accounts/fireworks/models/glm-4p5'],
  ['kimi', 'moonshot/kimi-k2-0711-preview', 'groq/moonshotai/kimi-k2-instruct', 'openrouter/moonshotai/kimi-k2'],
  ['grok-2', 'xai/grok-2-latest', 'xai/grok-2-vision-1212'],
  ['claude-2', 'claude-2.1', 'claude-instant-1.2', 'bedrock/anthropic.claude-v2:1', 'bedrock/anthropic.claude-instant-v1'],
  [
    null,
    'claude-sonnet-4-5',
    'anthropic/claude-3-5-haiku-20241022',
    'bedrock/us.anthropic.claude-opus-4-1-20250805-v1:0',
    'vertex_ai/claude-sonnet-4@20250514',
    'xai/grok-4',
    'xai/grok-3-mini',
    'bedrock/us.amazon.nova-pro-v1:0',
    'gemini/gemini-1.5-pro',
    'cohere/command-a-03-2025',
    'mistral/mistral-large-2407',
    'perplexity/sonar-pro',
    'nvidia/nemotron-nano-9b-v2',
  ],
];

describe('the family of a model', () => {
  it.each(NAMES.flatMap(([family, ...names]) => names.map((name) => [name, family] as const)))('of %s is %s', (name, family) => {
    expect(modelFacts(name).family?.name ?? null).toBe(family);
  });

  it('makes counts exact only where an encoding of this package has the same ids', () => {
    for (const name of FAMILY_NAMES) {
      const { encoding, source } = familyOf(name);
      expect((encoding === undefined) !== (source === undefined)).toBe(true);
    }
    // Meta's own file of Llama 3, too, is a .tiktoken file.
    expect(familyOf('llama-3').split).toBe('cl100k');
    expect(modelFacts('azure_ai/Phi-4')).toMatchObject({ encoding: 'cl100k_base', approximate: false });
    expect(modelFacts('azure_ai/Phi-4-mini-instruct')).toMatchObject({ encoding: 'o200k_base', approximate: false });
    expect(modelFacts('ollama/llama3.1:8b')).toMatchObject({ encoding: 'cl100k_base', approximate: true });
  });
});
