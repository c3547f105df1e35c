import { boolean, custom, oneOf, string, type OptionsOf, type Resolved } from '../../common/option.js';
import { fieldsOf, isObject, listOf, type Fields } from '../../common/objects.js';
import { checkObject, joinPath } from '../../common/options.js';
import type { Finding, Guardrail, GuardrailInput, GuardrailVerdict, TextEdit } from '../guardrail.js';
import { guardrailKind, type GuardrailParts, type ResolvedEntry } from '../guardrail-kind.js';
import { findingsOf } from './merge-findings.js';
import { address, secret, unitsOf } from './service-options.js';
import { withoutOverlaps, type Span } from './span.js';

export const PARAMS = {
  /** Key of the service. Required; default: `LAKERA_API_KEY`. */
  api_key: secret('LAKERA_API_KEY'),
  /**
   * Address of the service; `/v2/guard` is added. Default: `LAKERA_API_BASE`, else
   * `https://api.lakera.ai`.
   */
  api_base: address({ env: 'LAKERA_API_BASE', default: 'https://api.lakera.ai' }),
  /** Lakera's project, whose policy decides. */
  project_id: string(),
  /**
   * `block` denies what is flagged; `mask` replaces personal data and denies anything else;
   * `monitor` only records. Default `block`.
   */
  on_flagged: oneOf(['block', 'mask', 'monitor'], { default: 'block' }),
  /** Whether Lakera returns the places of what it finds. Needed for `mask`. Default `true`. */
  payload: boolean({ default: true }),
  /** Whether Lakera returns the detectors that have decided. Default `true`. */
  breakdown: boolean({ default: true }),
  /** Sent with each request, together with the `metadata` in the `extra_body` of a request. */
  metadata: custom<Fields>('object', checkObject),
  /** Whether Lakera returns its version. Default `false`. */
  dev_info: boolean({ default: false }),
};

/** `litellm_params` of the type. */
export interface LakeraParams extends OptionsOf<typeof PARAMS> {}

/** Denies or masks what Lakera Guard flags. */
export const LAKERA_V2 = guardrailKind({
  id: 'lakera_v2',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: (entry, parts) => new Lakera(entry, parts),
});

/** Something in a text, by the detector that found it. */
interface Detection extends Span {
  readonly kind: string;
}

class Lakera implements Guardrail {
  readonly abilities;

  constructor(
    private readonly entry: ResolvedEntry<Resolved<typeof PARAMS>>,
    private readonly parts: GuardrailParts,
  ) {
    const { modes, params, path, refuse } = entry;
    if (params.api_key === undefined) throw refuse(joinPath(path, 'api_key'), undefined, 'must be set, or LAKERA_API_KEY');
    const masks = params.on_flagged === 'mask';
    if (masks && !(params.payload && params.breakdown))
      throw refuse(joinPath(path, params.payload ? 'breakdown' : 'payload'), false, 'must be true with on_flagged: mask');
    if (masks && modes.includes('during_call'))
      throw refuse(
        joinPath(path, 'mode'),
        'during_call',
        'must not be during_call with on_flagged: mask: the prompt is already on its way',
      );
    this.abilities = { modes, rewrites: masks };
  }

  async check({ texts, side, signal, extra }: GuardrailInput): Promise<GuardrailVerdict> {
    const { params, timeoutMs, numRetries } = this.entry;
    const { project_id: project, payload, breakdown, metadata, dev_info: devInfo } = params;
    const answer = await this.parts.http.post({
      url: `${params.api_base}/v2/guard`,
      headers: { authorization: `Bearer ${params.api_key}` },
      body: {
        messages: texts.map(({ role, text }) => ({ role: side === 'answer' ? 'assistant' : (role ?? 'user'), content: text })),
        ...(project !== undefined && { project_id: project }),
        payload,
        breakdown,
        // Clients can add metadata. They must not replace what is checked, or the policy.
        ...((isObject(extra.metadata) || metadata !== undefined) && { metadata: { ...fieldsOf(extra.metadata), ...metadata } }),
        dev_info: devInfo,
      },
      signal,
      timeoutMs,
      numRetries,
    });
    if (!isObject(answer) || typeof answer.flagged !== 'boolean') throw new Error('an answer without flagged');
    if (!answer.flagged) return undefined;
    const detectors = listOf(answer.breakdown).flatMap((each) =>
      isObject(each) && each.detected === true && typeof each.detector_type === 'string' ? [each.detector_type] : [],
    );
    const isPersonalData = detectors.length > 0 && detectors.every((detector) => detector.startsWith('pii/'));
    const findings = (action: Finding['action']): readonly Finding[] =>
      (detectors.length === 0 ? ['flagged'] : detectors).map((kind) => ({ kind, path: texts[0]?.path ?? '', action, count: 1 }));
    if (params.on_flagged === 'monitor') return { findings: findings('flagged') };
    const found = params.on_flagged === 'mask' && isPersonalData ? this.detections(texts, listOf(answer.payload)) : undefined;
    // Without a place nothing can be masked.
    if (found === undefined || found.every(({ length }) => length === 0))
      return { block: { message: 'Violated guardrail policy', details: { detectors } }, findings: findings('blocked') };
    return {
      texts: found.map((detections) => detections.map(maskOf)),
      findings: found.flatMap((detections, at) => findingsOf(texts[at], 'masked', detections)),
    };
  }

  /** @returns the places of each text; `undefined` if one is not in its text */
  private detections(texts: GuardrailInput['texts'], payload: readonly unknown[]): readonly (readonly Detection[])[] | undefined {
    const found = texts.map((): Detection[] => []);
    const units = texts.map(({ text }) => unitsOf(text));
    for (const each of payload) {
      if (!isObject(each) || typeof each.detector_type !== 'string') return undefined;
      const at = each.message_id ?? 0;
      const unit = typeof at === 'number' ? units[at] : undefined;
      const [start, end] = [unit?.(each.start), unit?.(each.end)];
      if (start === undefined || end === undefined || start >= end) return undefined;
      found[at as number].push({ start, end, kind: each.detector_type });
    }
    return found.map((detections) => withoutOverlaps(detections.sort((a, b) => a.start - b.start || b.end - a.end)));
  }
}

function maskOf({ start, end, kind }: Detection): TextEdit {
  return { start, end, replacement: `[MASKED ${kind.slice(kind.lastIndexOf('/') + 1).toUpperCase()}]` };
}
