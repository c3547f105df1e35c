import { traitsOf, type ModelTraits } from '../anthropic/models.js';

/** The parts of a model's name that decide how to call it. */
export interface BedrockModel {
  /** In the path: a model, an inference profile, an ARN. */
  readonly id: string;
  readonly family: 'claude' | 'nova' | 'nova-2' | 'gpt' | 'gpt-oss' | 'deepseek' | 'other' | 'unknown';
  /** Claude's: 3.7 is 307. 0 for others. */
  readonly version: number;
  /** Of Claude, as on any other host. */
  readonly traits?: ModelTraits;
  /** Of the model, which an ARN may hide. */
  readonly name: string;
}

/** An ARN that hides its model. */
const OPAQUE = /^arn:[a-z-]+:(?:bedrock|sagemaker):(?!.*[/.](?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek|openai|qwen)\.)/;
/** LiteLLM's words for imported models of these families. */
const NOVA_ARN = /^(nova(?:-2)?)\/(?=arn:)/;
const CLAUDE = /(?:^|[./])(?:anthropic\.)?claude-(?:[a-z]+-)?(?:v?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?)?/;
const FAMILIES: readonly (readonly [RegExp, BedrockModel['family']])[] = [
  [/(?:^|[./])amazon\.nova-2-/, 'nova-2'],
  [/(?:^|[./])amazon\.nova-/, 'nova'],
  [/(?:^|[./])openai\.gpt-oss/, 'gpt-oss'],
  [/(?:^|[./])openai\.gpt-\d/, 'gpt'],
  [/(?:^|[./])deepseek\./, 'deepseek'],
];
/** Names without a version are those of previews. */
const NEWEST = 9900;

/**
 * @param model after `bedrock/`, without route and region
 * @param base the model that an ARN, or a name of the operator's, hides: `base_model`
 * @param id `model_id`, which is called instead of the model
 */
export function bedrockModel(model: string, base?: string, id?: string): BedrockModel {
  const imported = NOVA_ARN.exec(model);
  if (imported !== null)
    return { id: id ?? model.slice(imported[0].length), family: imported[1] as 'nova' | 'nova-2', version: 0, name: '' };
  const called = id ?? model;
  const name = base ?? model;
  const claude = CLAUDE.exec(name);
  if (claude !== null) return { id: called, family: 'claude', version: versionOf(claude), traits: traitsOf(name), name };
  const family = FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? (OPAQUE.test(name) ? 'unknown' : 'other');
  return { id: called, family, version: 0, name };
}

function versionOf([matched, major, minor = '0']: readonly string[]): number {
  if (major !== undefined) return Number(major) * 100 + Number(minor);
  return matched.endsWith('instant-') ? 100 : NEWEST;
}

export function isNova({ family }: BedrockModel): boolean {
  return family === 'nova' || family === 'nova-2';
}

/** Claude's own ids begin with it; before it are regions of profiles and paths of ARNs. */
const CLAUDE_ID = 'anthropic.claude-';

/**
 * The id by which the service counts tokens: that of the model, not of an inference profile.
 * `undefined` for models other than Claude, and where an ARN hides the model.
 */
export function countedModel({ family, id, name }: BedrockModel): string | undefined {
  const named = [id, name].map((each) => each.slice(each.lastIndexOf('/') + 1)).find((each) => each.includes(CLAUDE_ID));
  return family === 'claude' ? named?.slice(named.indexOf(CLAUDE_ID)) : undefined;
}

/** `outputConfig.textFormat`. Later Claude models take it only while they think. */
export function hasTextFormat({ traits, version, name }: BedrockModel, thinks: boolean): boolean {
  if (traits !== undefined) return traits.structured && (version <= 406 || thinks);
  return /(?:^|[./])(?:deepseek\.v3|minimax\.|mistral\.(?:ministral-3|mistral-large-3|voxtral)|moonshot\.|nvidia\.nemotron|qwen\.qwen3|zai\.)/.test(
    name,
  );
}

/** `toolChoice` with `any` or a tool. */
export function canForceTools({ family, traits, name }: BedrockModel): boolean {
  if (traits !== undefined) return traits.forcedTools;
  return family !== 'other' || /(?:^|[./])(?:mistral|qwen|minimax|moonshot|moonshotai|nvidia|writer|xai|zai)\./.test(name);
}

/** `strict` of a tool. */
export function hasStrictTools({ family, version }: BedrockModel): boolean {
  return family === 'claude' && (version === 405 || version === 406);
}

/** Anthropic's `disable_parallel_tool_use`. */
export function canDisableParallelTools({ family, version }: BedrockModel): boolean {
  return family === 'claude' && version >= 405;
}

/** `cachePoint` blocks: the service refuses them for other models. */
export function hasCachePoints({ family, version, name }: BedrockModel): boolean {
  if (family === 'claude') return version >= 307 || /claude-3-5-(?:haiku|sonnet-20241022)/.test(name);
  return ['nova', 'nova-2', 'unknown'].includes(family);
}

/** Their `ttl`. */
export function hasCacheTtl({ family, version }: BedrockModel): boolean {
  return family === 'claude' && version >= 405;
}
