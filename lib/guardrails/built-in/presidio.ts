import { boolean, custom, integer, oneOf, string, type OptionsOf, type Resolved } from '../../common/option.js';
import { fieldsOf, type Fields } from '../../common/objects.js';
import { checkArray, checkNumber, checkObject, checkOneOf, checkString, joinPath, type Refuse } from '../../common/options.js';
import { readConfigList } from './config-list.js';
import type { GuardedText, Guardrail, GuardrailInput, GuardrailMode, GuardrailVerdict, TextEdit } from '../guardrail.js';
import { guardrailKind, type GuardrailParts, type ResolvedEntry } from '../guardrail-kind.js';
import { findingsOf } from './merge-findings.js';
import { address, unitsOf } from './service-options.js';
import type { Span } from './span.js';

type PiiAction = 'MASK' | 'BLOCK';
const ACTIONS: readonly PiiAction[] = ['MASK', 'BLOCK'];
/** Requests to the analyzer at the same time, of one check. */
const PARALLEL = 8;
/** Entities of one text. With more, the guardrail fails. */
const MOST_ENTITIES = 10_000;
/** Characters that two parts of a long text share. */
const SHARED_CHARS = 500;
const TOKENS = 'tokens';
/** A token that a text may end within. */
const OPEN_TOKEN = /<[A-Z][A-Z0-9_]{0,63}$|<$/;
const TOKEN = /<[A-Z][A-Z0-9_]{0,63}_\d{1,9}>/g;

export const PARAMS = {
  /** Address of the analyzer. Required; default: `PRESIDIO_ANALYZER_API_BASE`. */
  presidio_analyzer_api_base: address({ env: 'PRESIDIO_ANALYZER_API_BASE' }),
  /**
   * Address of the anonymizer, which decides how text is replaced. Default:
   * `PRESIDIO_ANONYMIZER_API_BASE`; without one, text is replaced by `<ENTITY_TYPE>`.
   */
  presidio_anonymizer_api_base: address({ env: 'PRESIDIO_ANONYMIZER_API_BASE' }),
  /** `MASK` or `BLOCK` by type of entity. Default: all types that the analyzer finds are masked. */
  pii_entities_config: custom<Readonly<Record<string, PiiAction>>, ReadonlyMap<string, PiiAction>>(
    'object of `MASK` and `BLOCK`',
    checkEntities,
  ),
  /** Least score of a finding, by type of entity or for `ALL`. */
  presidio_score_thresholds: custom<Readonly<Record<string, number>>, ReadonlyMap<string, number>>(
    'object of numbers',
    checkScores,
    new Map(),
  ),
  /** Types of entities that are left as they are. */
  presidio_entities_deny_list: custom<readonly string[], ReadonlySet<string>>('list of types', checkTypes, new Set()),
  /** Path of a JSON file with recognizers, which are sent with each request. */
  presidio_ad_hoc_recognizers: custom<string, readonly unknown[]>('path', (path, value, refuse) =>
    readConfigList(path, checkString(path, value, refuse), refuse),
  ),
  /**
   * Language of the texts; a request can have another one in
   * `guardrail_config.language`. Default `en`.
   */
  presidio_language: string({ default: 'en' }),
  /** Texts that are checked: those of requests, of answers, or both. Default `both`. */
  presidio_filter_scope: oneOf(['input', 'output', 'both'], { default: 'both' }),
  /** The same. */
  presidio_run_on: oneOf(['input', 'output', 'both']),
  /**
   * Whether text in requests is replaced by numbered tokens (`<PERSON_1>`), which answers get back.
   * Answers are then not checked. Default `false`.
   */
  output_parse_pii: boolean({ default: false }),
  /** Longer texts are analyzed in parts, in bytes. Default 500,000. */
  presidio_analyze_chunk_size_bytes: integer({ min: 2_000, max: 10_000_000, default: 500_000 }),
};

/** `litellm_params` of the type. */
export interface PresidioParams extends OptionsOf<typeof PARAMS> {}

/** Masks or denies personal data that Microsoft's Presidio finds. */
export const PRESIDIO = guardrailKind({
  id: 'presidio',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: (entry, parts) => new Presidio(entry, parts),
});

/** Personal data in a text. */
interface Entity extends Span {
  readonly kind: string;
  readonly score: number;
}

/** The tokens of one call and what they stand for. */
class TokenTable {
  private readonly byText = new Map<string, string>();
  private readonly byToken = new Map<string, string>();
  private readonly counts = new Map<string, number>();

  tokenFor(kind: string, text: string): string {
    const key = `${kind} ${text}`;
    let token = this.byText.get(key);
    if (token === undefined) {
      const count = (this.counts.get(kind) ?? 0) + 1;
      this.counts.set(kind, count);
      token = `<${kind}_${count}>`;
      this.byText.set(key, token);
      this.byToken.set(token, text);
    }
    return token;
  }

  textOf(token: string): string | undefined {
    return this.byToken.get(token);
  }
}

class Presidio implements Guardrail {
  readonly abilities;
  /** Only if answers get their text back: what the analyzer needs is unknown. */
  readonly heldBack: ((text: string) => number) | undefined;
  private readonly restores: boolean;
  private readonly scope: 'input' | 'output' | 'both';

  constructor(
    private readonly entry: ResolvedEntry<Resolved<typeof PARAMS>>,
    private readonly parts: GuardrailParts,
  ) {
    const { modes, params, path, refuse } = entry;
    if (params.presidio_analyzer_api_base === undefined)
      throw refuse(joinPath(path, 'presidio_analyzer_api_base'), undefined, 'must be set, or PRESIDIO_ANALYZER_API_BASE');
    const config = params.pii_entities_config;
    const masks = config === undefined || [...config.values()].includes('MASK');
    this.restores = params.output_parse_pii;
    this.scope = params.presidio_run_on ?? params.presidio_filter_scope ?? 'both';
    if (masks && modes.includes('during_call'))
      throw refuse(joinPath(path, 'mode'), 'during_call', 'must not be during_call with the action MASK: the prompt is already on its way');
    if (this.restores && !modes.includes('pre_call'))
      throw refuse(joinPath(path, 'output_parse_pii'), true, 'must be false unless the mode has pre_call, which makes the tokens');
    if (this.restores && params.presidio_anonymizer_api_base !== undefined && this.scope === 'output')
      throw refuse(joinPath(path, 'output_parse_pii'), true, 'must be false with the scope output');
    const more: readonly GuardrailMode[] = this.restores ? ['post_call'] : [];
    this.abilities = { modes, rewrites: masks || this.restores, alsoIn: more };
    this.heldBack = this.restores ? (text) => OPEN_TOKEN.exec(text)?.[0].length ?? 0 : undefined;
  }

  async check(input: GuardrailInput): Promise<GuardrailVerdict> {
    const { side, mode, texts } = input;
    if (side === 'answer' && this.restores && mode === 'post_call') return restored(texts, tableOf(input));
    if (side === (this.scope === 'input' ? 'answer' : this.scope === 'output' ? 'request' : undefined)) return undefined;
    const found = await inParallel(texts, (text) => this.entitiesOf(text.text, input));
    const config = this.entry.params.pii_entities_config;
    for (const [at, entities] of found.entries()) {
      const denied = entities.filter(({ kind }) => config?.get(kind) === 'BLOCK');
      if (denied.length === 0) continue;
      const message = `Blocked entity detected: ${denied[0].kind} by Guardrail: ${this.entry.name}. This entity is not allowed to be used in this request.`;
      return { block: { message, details: { entity_type: denied[0].kind } }, findings: findingsOf(texts[at], 'blocked', denied) };
    }
    if (found.every(({ length }) => length === 0)) return undefined;
    const rewritten = await inParallel(texts, (text, at) => this.masked(text.text, found[at], input));
    return { texts: rewritten, findings: found.flatMap((entities, at) => findingsOf(texts[at], 'masked', entities)) };
  }

  /** Entities in their order, without overlaps. */
  private async entitiesOf(text: string, input: GuardrailInput): Promise<readonly Entity[]> {
    if (!/[\p{L}\p{N}]/u.test(text)) return [];
    const parts = partsOf(text, this.entry.params.presidio_analyze_chunk_size_bytes);
    const found = await inParallel(parts, async ({ start, end }) => {
      const entities = await this.analyze(text.slice(start, end), input);
      return entities.map((entity) => ({ ...entity, start: entity.start + start, end: entity.end + start }));
    });
    const entities = found.flat();
    if (entities.length > MOST_ENTITIES) throw new Error(`${entities.length} entities in one text, more than ${MOST_ENTITIES}`);
    return withoutConflicts(entities);
  }

  private async analyze(text: string, { extra, call, signal }: GuardrailInput): Promise<readonly Entity[]> {
    const { params } = this.entry;
    const { presidio_score_thresholds: thresholds, presidio_entities_deny_list: denied, pii_entities_config: config } = params;
    const language = languageOf(extra) ?? languageOf(fieldsOf(call.body.guardrail_config)) ?? params.presidio_language;
    const answer = await this.post(`${params.presidio_analyzer_api_base}/analyze`, signal, {
      text,
      language,
      ...(config !== undefined && { entities: [...config.keys()] }),
      ...(params.presidio_ad_hoc_recognizers !== undefined && { ad_hoc_recognizers: params.presidio_ad_hoc_recognizers }),
    });
    if (!Array.isArray(answer)) throw new Error('an answer of the analyzer that is not a list');
    const unit = unitsOf(text);
    return answer.flatMap((each: unknown) => {
      const { entity_type: kind, score } = fieldsOf(each);
      const [start, end] = [unit(fieldsOf(each).start), unit(fieldsOf(each).end)];
      if (typeof kind !== 'string' || typeof score !== 'number' || start === undefined || end === undefined || start >= end)
        throw new Error('an answer of the analyzer with an entity without type, score, start or end');
      const least = thresholds.get(kind) ?? thresholds.get('ALL') ?? 0;
      return score < least || denied.has(kind) || (config !== undefined && !config.has(kind)) ? [] : [{ kind, score, start, end }];
    });
  }

  private async masked(
    text: string,
    entities: readonly Entity[],
    input: GuardrailInput,
  ): Promise<string | readonly TextEdit[] | undefined> {
    if (entities.length === 0) return undefined;
    if (this.restores && input.side === 'request') {
      const table = tableOf(input);
      return entities.map(({ kind, start, end }) => ({ start, end, replacement: table.tokenFor(kind, text.slice(start, end)) }));
    }
    const { presidio_anonymizer_api_base: base } = this.entry.params;
    if (base === undefined) return entities.map(({ kind, start, end }) => ({ start, end, replacement: `<${kind}>` }));
    const point = pointsOf(text);
    const results = entities.map(({ kind, score, start, end }) => ({ entity_type: kind, score, start: point(start), end: point(end) }));
    const answer = await this.post(`${base}/anonymize`, input.signal, { text, analyzer_results: results });
    const { text: written } = fieldsOf(answer);
    if (typeof written !== 'string') throw new Error('an answer of the anonymizer without text');
    return written;
  }

  private post(url: string, signal: AbortSignal, body: Fields): Promise<unknown> {
    const { timeoutMs, numRetries } = this.entry;
    return this.parts.http.post({ url, body, signal, timeoutMs, numRetries });
  }
}

function restored(texts: readonly GuardedText[], table: TokenTable): GuardrailVerdict {
  const edits = texts.map(({ text }) =>
    [...text.matchAll(TOKEN)].flatMap(({ 0: token, index }) => {
      const replacement = table.textOf(token);
      return replacement === undefined ? [] : [{ start: index, end: index + token.length, replacement }];
    }),
  );
  return edits.every(({ length }) => length === 0) ? undefined : { texts: edits, findings: [] };
}

function tableOf({ state }: GuardrailInput): TokenTable {
  let table = state.get(TOKENS) as TokenTable | undefined;
  if (table === undefined) state.set(TOKENS, (table = new TokenTable()));
  return table;
}

function languageOf({ language }: Fields): string | undefined {
  return typeof language === 'string' && /^[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?$/.test(language) ? language : undefined;
}

/** The entities with the highest scores, then the longest ones, in their order. */
function withoutConflicts(entities: readonly Entity[]): readonly Entity[] {
  const ranked = [...entities].sort((a, b) => b.score - a.score || b.end - b.start - (a.end - a.start));
  /** In their order, without overlaps. */
  const kept: Entity[] = [];
  for (const entity of ranked) {
    const at = firstEndingAfter(kept, entity.start);
    if (at === kept.length || kept[at].start >= entity.end) kept.splice(at, 0, entity);
  }
  // What overlaps a kept entity is still personal data: its rest is masked as well.
  for (const { start, end, kind, score } of ranked) {
    for (let [at, from] = [firstEndingAfter(kept, start), start]; from < end; at++) {
      const to = Math.min(end, kept[at]?.start ?? end);
      if (from < to) kept.splice(at++, 0, { kind, score, start: from, end: to });
      from = Math.max(to, kept[at]?.end ?? end);
    }
  }
  return kept;
}

/** Index of the first entity that ends after a place. */
function firstEndingAfter(sorted: readonly Entity[], place: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle].end <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Parts of a text of at most so many bytes; neighbors share some characters. */
function partsOf(text: string, mostBytes: number): readonly Span[] {
  const chars = Math.floor(mostBytes / 6);
  if (Buffer.byteLength(text) <= chars || text.length <= SHARED_CHARS * 2) return [{ start: 0, end: text.length }];
  const step = Math.max(SHARED_CHARS, chars - SHARED_CHARS);
  const border = (at: number): number => (/[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at);
  const parts: Span[] = [];
  for (let start = 0; start < text.length; start += step)
    parts.push({ start: border(start), end: border(Math.min(text.length, start + step + SHARED_CHARS)) });
  return parts;
}

/** Indexes of code points for those of UTF-16 units. */
function pointsOf(text: string): (unit: number) => number {
  if (!/[\ud800-\udbff]/.test(text)) return (unit) => unit;
  const points = new Uint32Array(text.length + 1);
  for (let unit = 0, point = 0; unit < text.length; unit++) {
    // The second unit of a pair belongs to its point.
    points[unit + 1] = /[\udc00-\udfff]/.test(text[unit]) && /[\ud800-\udbff]/.test(text[unit - 1] ?? '') ? point : ++point;
  }
  return (unit) => points[unit];
}

async function inParallel<T, R>(list: readonly T[], work: (each: T, at: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array<R>(list.length);
  let next = 0;
  const run = async (): Promise<void> => {
    for (let at = next++; at < list.length; at = next++) results[at] = await work(list[at], at);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, list.length) }, run));
  return results;
}

function checkEntities(path: string, value: unknown, refuse: Refuse): ReadonlyMap<string, PiiAction> {
  const entries = Object.entries(checkObject(path, value, refuse));
  if (entries.length === 0) throw refuse(path, {}, 'must name a type of entity, or be left out for all types');
  return new Map(entries.map(([kind, action]) => [kind, checkOneOf(joinPath(path, kind), action, ACTIONS, refuse)]));
}

function checkScores(path: string, value: unknown, refuse: Refuse): ReadonlyMap<string, number> {
  const entries = Object.entries(checkObject(path, value, refuse));
  return new Map(entries.map(([kind, score]) => [kind, checkNumber(joinPath(path, kind), score, { min: 0, max: 1 }, refuse)]));
}

function checkTypes(path: string, value: unknown, refuse: Refuse): ReadonlySet<string> {
  return new Set(checkArray(path, value, (at, kind) => checkString(at, kind, refuse), refuse));
}
