/** Words and dates in names of OpenAI's models. An Azure deployment (`gpt-4-eu`) has others. */
const OPENAI_ENDS = new Set(
  `api astra audio blue chat codex cyber daybreak deep diarize discovery flare image latest law live luna max mini nano preview pro realtime red research
  rosalind search sol sunburst terra transcribe translate tts turbo vision whisper 16k 32k`.split(/\s+/),
);
const OPENAI_FAMILY = /^(?:gpt-(?:3\.5|4o|[4-9](?:\.\d)?)(?:-|$)|o[1-9](?:-|$)|chatgpt-(?:4o-|image-)|gpt-(?=[a-z]))/;
const OPENAI_OTHERS =
  /^(?:text-embedding-(?:3-(?:small|large)|ada-002(?:-v2)?)|computer-use-preview(?:-\d{4}-\d\d-\d\d)?|chat-latest|codex-mini-latest|daybreak-(?:blue|red)-latest|omni-moderation-(?:latest|\d{4}-\d\d-\d\d)|sora-2(?:-pro(?:-high-res)?)?|tts-1(?:-hd)?(?:-\d{4})?|whisper-1|dall-e-[23])$/;
/** Parts of dates, and versions: `gpt-image-2.5-…`. */
const FIGURES = /^(?:\d{2}|\d{4}|[1-9](?:\.\d)?)$/;
const FINE_TUNE = /^ft:([^:]+)(?::|$)/;

/**
 * Names without a prefix that belong to one provider; the first match decides. As LiteLLM routes
 * them, and wider for `claude-`, OpenAI's families, Bedrock's and Google's names, which LiteLLM
 * takes from a price list.
 */
const BELONGS: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:[a-z-]+\.)?(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|stability|twelvelabs|writer|xai|zai)\.[a-z]/,
    'bedrock',
  ],
  [/^claude-[\w.-]+-v\d:\d$/, 'bedrock'],
  [/^claude-[\w.-]+@/, 'vertex_ai'],
  [/^claude-2(?:[.:-]|$)/, 'anthropic_text'],
  [/^claude-[\w.-]+$/, 'anthropic'],
  [
    /^(?:gemini-|text-embedding-00\d|text-multilingual-embedding-|text-embedding-(?:large-exp|preview)-|textembedding-gecko|multimodalembedding|medlm-|text-bison|text-unicorn|chat-bison|deep-research-pro-|imagen-|veo-)/,
    'vertex_ai',
  ],
  [/^command(?:-(?:a|r|r7b|light|nightly|a-plus|r-plus|a-vision|a-reasoning|a-translate))?(?:-\d\d-\d{4})?$/, 'cohere_chat'],
  [/^c4ai-aya-/, 'cohere_chat'],
  [/^(?:embed-(?:english|multilingual)-|embed-v\d|rerank-)/, 'cohere'],
  [/^jamba-(?:\d|large|mini)/, 'ai21_chat'],
  [/^(?:gpt-3\.5-turbo-instruct(?:-\d{4})?|babbage-002|davinci-002|ft:(?:babbage|davinci)-002(?::.*)?)$/, 'text-completion-openai'],
  [/^[^:]+:[0-9a-f]{64}$/, 'replicate'],
];

/** The provider of a pattern (`gpt-*`). */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^(?:\*$|gpt-|o\d|chatgpt-|text-embedding-3)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^gemini-/, 'vertex_ai'],
  [/^command-/, 'cohere_chat'],
];

/** The provider of a name without a prefix; `undefined`: none, or several. */
export function providerOfBareName(name: string): string | undefined {
  if (name.includes('*')) return PATTERNS.find(([pattern]) => pattern.test(name))?.[1];
  if (isOpenAIs(FINE_TUNE.exec(name)?.[1] ?? name)) return 'openai';
  return BELONGS.find(([pattern]) => pattern.test(name))?.[1];
}

function isOpenAIs(name: string): boolean {
  if (OPENAI_OTHERS.test(name)) return true;
  const family = OPENAI_FAMILY.exec(name);
  // This family's text completion model has another operation.
  if (family === null || name.startsWith('gpt-3.5-turbo-instruct')) return false;
  const ends = name.slice(family[0].length);
  return ends === '' || ends.split('-').every((part) => OPENAI_ENDS.has(part) || FIGURES.test(part));
}

/** Suggested prefixes for names that several providers have. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/mistral|mixtral|ministral|pixtral|magistral|devstral|codestral/i, 'mistral/'],
  [/deepseek/i, 'deepseek/'],
  [/grok/i, 'xai/'],
  [/gemini|gemma|^text-embedding-00\d/i, 'gemini/ (Gemini API) or vertex_ai/ (Vertex AI)'],
  [/gpt-oss|llama/i, 'groq/, together_ai/, fireworks_ai/ or, with an api_base, hosted_vllm/'],
  [/qwen/i, 'dashscope/, groq/ or, with an api_base, hosted_vllm/'],
  [/glm/i, 'zai/'],
  [/kimi|moonshot/i, 'moonshot/'],
  [/sonar/i, 'perplexity/'],
  [/minimax/i, 'minimax/'],
  [/command|rerank|embed-/i, 'cohere/'],
  [/claude/i, 'anthropic/'],
  [/jamba/i, 'ai21/'],
  [/phi-\d/i, 'azure_ai/ with an api_base'],
  [/gpt|davinci|embedding|^o\d/i, 'openai/, or azure/ with an api_base'],
];

/** The prefix to suggest to the operator. */
export function prefixFor(name: string): string {
  return (
    FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? 'openai/, anthropic/, gemini/, groq/ or another prefix in docs/providers.md'
  );
}
