import { fieldsOf, type Fields, listOf } from '../../common/objects.js';
import type { ChatUsage } from '../openai/chat-chunks.js';

const USAGE_FIGURES = [
  'promptTokenCount',
  'candidatesTokenCount',
  'thoughtsTokenCount',
  'cachedContentTokenCount',
  'toolUsePromptTokenCount',
  'totalTokenCount',
] as const;

/** The figures that are read, by their names in `usageMetadata`. */
export type UsageFigures = Partial<Record<(typeof USAGE_FIGURES)[number], number>> & {
  /** Tokens of the prompt and of the candidates by their kind. */
  promptTokensDetails?: unknown;
  candidatesTokensDetails?: unknown;
  trafficType?: unknown;
};
/** Vertex's traffic types that are priced by a service tier. */
const TIER_OF_TRAFFIC: ReadonlyMap<unknown, string> = new Map([
  ['ON_DEMAND', 'default'],
  ['ON_DEMAND_PRIORITY', 'priority'],
  ['ON_DEMAND_FLEX', 'flex'],
  ['FLEX', 'flex'],
]);

/** A running total: each figure replaces the one before. */
export function replaceFigures(figures: UsageFigures, metadata: Fields): UsageFigures {
  for (const name of USAGE_FIGURES) {
    const value = metadata[name];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) figures[name] = value;
  }
  for (const name of ['promptTokensDetails', 'candidatesTokensDetails', 'trafficType'] as const) {
    if (metadata[name] !== undefined) figures[name] = metadata[name];
  }
  return figures;
}

/**
 * Google's figures in OpenAI's format; `undefined` without any. Thoughts count as completion,
 * unless the figure of the candidates includes them.
 */
export function usageOf(figures: UsageFigures, candidates: unknown): ChatUsage | undefined {
  if ((figures.promptTokenCount ?? figures.totalTokenCount ?? figures.candidatesTokenCount) === undefined) return undefined;
  const [prompt, answer, thoughts, cached, tools, total] = USAGE_FIGURES.map((name) => figures[name] ?? 0);
  const isInclusive = prompt + answer + tools === total;
  const searches = searchesIn(candidates);
  const tier = TIER_OF_TRAFFIC.get(figures.trafficType);
  const promptTokens = prompt + (searches > 0 ? 0 : tools);
  const completionTokens = answer + (isInclusive ? 0 : thoughts);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: Math.max(total, promptTokens + completionTokens),
    ...filled('prompt_tokens_details', {
      ...(cached > 0 && { cached_tokens: cached }),
      ...kindsIn(figures.promptTokensDetails),
      ...(searches > 0 && { web_search_requests: searches }),
    }),
    ...filled('completion_tokens_details', {
      ...(thoughts > 0 && { reasoning_tokens: thoughts }),
      ...kindsIn(figures.candidatesTokensDetails),
    }),
    ...(tier !== undefined && { service_tier: tier }),
  };
}

function filled<K extends string>(name: K, details: object): Partial<Record<K, object>> {
  return Object.keys(details).length === 0 ? {} : ({ [name]: details } as Record<K, object>);
}

/** Audio and images, which have their own prices. */
function kindsIn(details: unknown): { readonly audio_tokens?: number; readonly image_tokens?: number } {
  const found: Record<string, number> = {};
  for (const { modality, tokenCount } of listOf(details).map(fieldsOf)) {
    const name = modality === 'AUDIO' ? 'audio_tokens' : modality === 'IMAGE' ? 'image_tokens' : undefined;
    if (name !== undefined && typeof tokenCount === 'number' && tokenCount > 0) found[name] = (found[name] ?? 0) + tokenCount;
  }
  return found;
}

/** Google bills searches by themselves, and their results not as input. */
function searchesIn(candidates: unknown): number {
  return listOf(candidates).reduce<number>(
    (sum, candidate) => sum + listOf(fieldsOf(fieldsOf(candidate).groundingMetadata).webSearchQueries).length,
    0,
  );
}
