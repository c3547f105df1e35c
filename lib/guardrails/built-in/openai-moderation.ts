import { string, type OptionsOf, type Resolved } from '../../common/option.js';
import { isObject, listOf } from '../../common/objects.js';
import { joinPath } from '../../common/options.js';
import type { Guardrail, GuardrailInput, GuardrailVerdict } from '../guardrail.js';
import { guardrailKind, type GuardrailParts, type ResolvedEntry } from '../guardrail-kind.js';
import { address, secret } from './service-options.js';

export const PARAMS = {
  /** Key of the service. Required; default: `OPENAI_API_KEY`. */
  api_key: secret('OPENAI_API_KEY'),
  /** Address of the API; `/moderations` is added. Default `https://api.openai.com/v1`. */
  api_base: address({ default: 'https://api.openai.com/v1' }),
  /** Model of the moderation. Default `omni-moderation-latest`. */
  model: string({ default: 'omni-moderation-latest' }),
};

/** `litellm_params` of the type. */
export interface OpenAIModerationParams extends OptionsOf<typeof PARAMS> {}

/** Denies what OpenAI's moderation flags. */
export const OPENAI_MODERATION = guardrailKind({
  id: 'openai_moderation',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: (entry, parts) => new OpenAIModeration(entry, parts),
});

class OpenAIModeration implements Guardrail {
  readonly abilities;

  constructor(
    private readonly entry: ResolvedEntry<Resolved<typeof PARAMS>>,
    private readonly parts: GuardrailParts,
  ) {
    const { modes, params, path, refuse } = entry;
    if (params.api_key === undefined) throw refuse(joinPath(path, 'api_key'), undefined, 'must be set, or OPENAI_API_KEY');
    this.abilities = { modes, rewrites: false };
  }

  async check({ texts, signal }: GuardrailInput): Promise<GuardrailVerdict> {
    const { params, timeoutMs, numRetries } = this.entry;
    const answer = await this.parts.http.post({
      url: `${params.api_base}/moderations`,
      headers: { authorization: `Bearer ${params.api_key}` },
      body: { model: params.model, input: texts.map(({ text }) => text) },
      signal,
      timeoutMs,
      numRetries,
    });
    const results = isObject(answer) ? listOf(answer.results) : [];
    if (results.length !== texts.length) throw new Error(`an answer with ${results.length} results for ${texts.length} texts`);
    for (const [at, result] of results.entries()) {
      if (!isObject(result) || typeof result.flagged !== 'boolean') throw new Error('an answer without flagged');
      if (!result.flagged) continue;
      const categories = isObject(result.categories) ? Object.entries(result.categories).filter(([, is]) => is === true) : [];
      const violated = categories.map(([category]) => category);
      const scores = isObject(result.category_scores) ? result.category_scores : {};
      const details = { moderation_result: { violated_categories: violated, category_scores: scores } };
      const kinds = violated.length === 0 ? ['flagged'] : violated;
      return {
        block: { message: 'Violated OpenAI moderation policy', details },
        findings: kinds.map((kind) => ({ kind, path: texts[at].path, action: 'blocked', count: 1 })),
      };
    }
    return undefined;
  }
}
