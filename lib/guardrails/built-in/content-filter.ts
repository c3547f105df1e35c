import { custom, oneOf, string, type OptionsOf, type Resolved } from '../../common/option.js';
import {
  checkArray,
  checkBoolean,
  checkKnownKeys,
  checkObject,
  checkOneOf,
  checkString,
  joinPath,
  type Refuse,
} from '../../common/options.js';
import { readConfigDocument } from '../../router/config/config-yaml.js';
import type { Finding, GuardedText, Guardrail, GuardrailInput, GuardrailVerdict, TextEdit } from '../guardrail.js';
import { guardrailKind, type ResolvedEntry } from '../guardrail-kind.js';
import { isInCategory, openSentence, readCategory, SEVERITIES, type ContentCategory, type Severity } from './content-category.js';
import { CREDENTIAL_PATTERNS } from './credential-patterns.js';
import { CustomPattern } from './custom-pattern.js';
import { findingsOf } from './merge-findings.js';
import { PERSONAL_PATTERNS } from './personal-patterns.js';
import { PhraseSet, type PhraseMatch } from './phrase-set.js';
import { withoutOverlaps, type Span } from './span.js';
import { PatternSet, type TextPattern } from './text-pattern.js';

type Action = 'BLOCK' | 'MASK';
const ACTIONS: readonly Action[] = ['BLOCK', 'MASK'];
const DEFAULT_FORMAT = '[{pattern_name}_REDACTED]';
const PREBUILT = new Map([...PERSONAL_PATTERNS, ...CREDENTIAL_PATTERNS].map((pattern) => [pattern.kind, pattern]));
/** Characters of a match of a custom expression that a stream holds back. */
const CUSTOM_CHARS = 200;

/** A pattern of `patterns`. */
interface ListedPattern {
  readonly name: string;
  readonly action: Action;
  readonly prebuilt?: TextPattern;
  readonly custom?: CustomPattern;
}

/** A word of `blocked_words`. */
interface BlockedWord {
  readonly keyword: string;
  readonly action: Action;
}

/** An entry of `categories`. */
interface ListedCategory {
  readonly name: string;
  readonly file: string;
  readonly threshold: Severity | undefined;
}

export const PARAMS = {
  /**
   * `{ pattern_type: prebuilt, pattern_name, action }` for a format that the package knows, or `{
   * pattern_type: regex, pattern, name, action }` for an expression of RE2, which needs the package
   * `re2js`. The action is `BLOCK` or `MASK`.
   */
  patterns: custom<readonly object[], readonly ListedPattern[]>('list of objects', checkPatterns, []),
  /** `{ keyword, action }`: words and phrases, regardless of case. */
  blocked_words: custom<readonly object[], readonly BlockedWord[]>('list of objects', checkWords, []),
  /** Path of a YAML file with more `blocked_words`. */
  blocked_words_file: custom<string, readonly BlockedWord[]>('path', checkWordsFile, []),
  /**
   * `{ category, category_file, action: BLOCK, enabled, severity_threshold }`: words that a file in
   * LiteLLM's format lists. The package contains no such lists.
   */
  categories: custom<readonly object[], readonly ListedCategory[]>('list of objects', checkCategories, []),
  /** Keywords of categories below this severity are left out. Default `medium`. */
  severity_threshold: oneOf(SEVERITIES, { default: 'medium' }),
  /**
   * Replaces what a pattern masks; `{pattern_name}` stands for its name in capitals. Default
   * `[{pattern_name}_REDACTED]`.
   */
  pattern_redaction_format: string({ default: DEFAULT_FORMAT }),
  /** Replaces masked words. Default `[KEYWORD_REDACTED]`. */
  keyword_redaction_tag: string({ default: '[KEYWORD_REDACTED]' }),
};

/** `litellm_params` of the type. */
export interface ContentFilterParams extends OptionsOf<typeof PARAMS> {}

/** Blocks or masks formats, words and categories of content, without a service. */
export const CONTENT_FILTER = guardrailKind({
  id: 'litellm_content_filter',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: (entry) => new ContentFilter(entry),
});

class ContentFilter implements Guardrail {
  readonly abilities;
  private readonly blocking: PatternSet;
  private readonly masking: PatternSet;
  private readonly customs: readonly (ListedPattern & { readonly custom: CustomPattern })[];
  private readonly words: PhraseSet<BlockedWord>;
  private readonly categories: readonly ContentCategory[];
  private readonly format: string;
  private readonly tag: string;

  constructor({ params, modes, path, refuse }: ResolvedEntry<Resolved<typeof PARAMS>>) {
    const { patterns } = params;
    const words = [...params.blocked_words, ...params.blocked_words_file];
    if (patterns.length + words.length + params.categories.length === 0)
      throw refuse(path, {}, 'must have patterns, blocked_words, blocked_words_file or categories, since nothing would be filtered');
    const masks = [...patterns, ...words].some(({ action }) => action === 'MASK');
    if (masks && modes.includes('during_call'))
      throw refuse(joinPath(path, 'mode'), 'during_call', 'must not be during_call with the action MASK: the prompt is already on its way');
    this.abilities = { modes, rewrites: masks, inPortions: true };
    const prebuilt = (action: Action): PatternSet =>
      new PatternSet(patterns.flatMap((each) => (each.action === action && each.prebuilt !== undefined ? [each.prebuilt] : [])));
    this.blocking = prebuilt('BLOCK');
    this.masking = prebuilt('MASK');
    this.customs = patterns.filter((each): each is ListedPattern & { readonly custom: CustomPattern } => each.custom !== undefined);
    this.words = new PhraseSet(words.map((word) => [word.keyword, word]));
    this.categories = params.categories.map(({ name, file, threshold }) =>
      readCategory(name, file, threshold ?? params.severity_threshold ?? 'medium'),
    );
    this.format = params.pattern_redaction_format;
    this.tag = params.keyword_redaction_tag;
  }

  check({ texts, isPartial }: GuardrailInput): GuardrailVerdict {
    const edits: (readonly TextEdit[])[] = [];
    const findings: Finding[] = [];
    for (const text of texts) {
      // What later text can still change is decided with that text.
      const decided = isPartial ? text.text.length - this.heldBack(text.text) : text.text.length;
      const words = this.words.find(text.text, text.context);
      const denial = this.denialOf(text, words, decided);
      if (denial !== undefined) return denial;
      edits.push(this.masked(text, words, findings));
    }
    return findings.length === 0 ? undefined : { texts: edits, findings };
  }

  heldBack(text: string): number {
    return Math.max(
      this.blocking.heldBack(text),
      this.masking.heldBack(text),
      this.words.heldBack(text),
      this.customs.length === 0 ? 0 : Math.min(text.length, CUSTOM_CHARS),
      this.categories.length === 0 ? 0 : openSentence(text),
    );
  }

  /** Messages name the pattern or the category, not the text. */
  private denialOf(guarded: GuardedText, words: readonly PhraseMatch<BlockedWord>[], decided: number): GuardrailVerdict {
    const { text, context = 0 } = guarded;
    const isDecided = ({ start }: Span): boolean => start < decided;
    for (const category of this.categories) {
      if (!isInCategory(category, text.slice(0, decided))) continue;
      const message = `Content blocked: ${category.name} category detected`;
      return {
        block: { message, details: { category: category.name } },
        findings: [{ kind: category.name, path: guarded.path, action: 'blocked', count: 1 }],
      };
    }
    const patterns = [
      ...this.blocking.find(text, context).filter(isDecided),
      ...this.customs.flatMap(({ action, name, custom }) =>
        action === 'BLOCK'
          ? custom
              .find(text, 0)
              .filter(isDecided)
              .map((span) => ({ ...span, kind: name }))
          : [],
      ),
    ];
    if (patterns.length > 0) {
      const [{ kind }] = patterns;
      const block = { message: `Content blocked: ${kind} pattern detected`, details: { pattern: kind } };
      return { block, findings: findingsOf(guarded, 'blocked', patterns) };
    }
    const word = words.find((match) => match.value.action === 'BLOCK' && isDecided(match));
    if (word === undefined) return undefined;
    return {
      block: { message: 'Content blocked: a blocked word was detected' },
      findings: [{ kind: 'blocked_word', path: guarded.path, action: 'blocked', count: 1 }],
    };
  }

  private masked(guarded: GuardedText, words: readonly PhraseMatch<BlockedWord>[], findings: Finding[]): readonly TextEdit[] {
    const { text, context = 0 } = guarded;
    const found = [
      ...this.masking.find(text, context).map((match) => ({ ...match, replacement: this.replacementOf(match.kind) })),
      ...this.customs.flatMap(({ action, name, custom }) =>
        action === 'MASK' ? custom.find(text, context).map((span) => ({ ...span, kind: name, replacement: this.replacementOf(name) })) : [],
      ),
      ...words.flatMap(({ start, end, value }) =>
        value.action === 'MASK' ? [{ start, end, kind: 'blocked_word', replacement: this.tag }] : [],
      ),
    ];
    if (found.length === 0) return [];
    const masks = withoutOverlaps(found.sort((a, b) => a.start - b.start || b.end - a.end));
    findings.push(...findingsOf(guarded, 'masked', masks));
    return masks.map(({ start, end, replacement }) => ({ start, end, replacement }));
  }

  private replacementOf(name: string): string {
    return this.format.split('{pattern_name}').join(name.toUpperCase());
  }
}

function checkPatterns(path: string, value: unknown, refuse: Refuse): readonly ListedPattern[] {
  return checkArray(
    path,
    value,
    (at, entry) => {
      const fields = checkObject(at, entry, refuse);
      checkKnownKeys(at, fields, ['pattern_type', 'pattern_name', 'pattern', 'name', 'action'], refuse);
      const action = actionOf(at, fields.action, refuse);
      if (checkOneOf(joinPath(at, 'pattern_type'), fields.pattern_type, ['prebuilt', 'regex'] as const, refuse) === 'regex') {
        const expression = CustomPattern.of(joinPath(at, 'pattern'), checkString(joinPath(at, 'pattern'), fields.pattern, refuse), refuse);
        const name = checkString(joinPath(at, 'name'), fields.name ?? fields.pattern_name ?? 'custom', refuse);
        return { name, action, custom: expression };
      }
      const name = checkOneOf(joinPath(at, 'pattern_name'), fields.pattern_name, [...PREBUILT.keys()], refuse);
      return { name, action, prebuilt: PREBUILT.get(name)! };
    },
    refuse,
  );
}

function checkWords(path: string, value: unknown, refuse: Refuse): readonly BlockedWord[] {
  return checkArray(
    path,
    value,
    (at, entry) => {
      const fields = checkObject(at, entry, refuse);
      checkKnownKeys(at, fields, ['keyword', 'action', 'description'], refuse);
      const keyword = checkString(joinPath(at, 'keyword'), fields.keyword, refuse);
      if (!/[\p{L}\p{N}]/u.test(keyword) || keyword.length > 200)
        throw refuse(joinPath(at, 'keyword'), keyword, 'must have a letter or a digit, and at most 200 characters');
      return { keyword, action: actionOf(at, fields.action, refuse) };
    },
    refuse,
  );
}

function checkWordsFile(path: string, value: unknown, refuse: Refuse): readonly BlockedWord[] {
  const file = checkString(path, value, refuse);
  const words = checkWords(`${file}: blocked_words`, readConfigDocument(file).blocked_words ?? [], refuse);
  if (words.length === 0) throw refuse(path, file, 'must be a file with a list blocked_words that is not empty');
  return words;
}

function checkCategories(path: string, value: unknown, refuse: Refuse): readonly ListedCategory[] {
  const categories = checkArray(
    path,
    value,
    (at, entry) => {
      const fields = checkObject(at, entry, refuse);
      checkKnownKeys(at, fields, ['category', 'category_file', 'action', 'enabled', 'severity_threshold'], refuse);
      const name = checkString(joinPath(at, 'category'), fields.category, refuse);
      if (fields.enabled !== undefined && !checkBoolean(joinPath(at, 'enabled'), fields.enabled, refuse)) return undefined;
      if (actionOf(at, fields.action ?? 'BLOCK', refuse) === 'MASK')
        throw refuse(joinPath(at, 'action'), fields.action, 'must be BLOCK; use blocked_words or patterns to mask');
      if (fields.category_file === undefined)
        throw refuse(
          joinPath(at, 'category_file'),
          undefined,
          `must be the path of a file with the words of ${name}: the package contains no word lists`,
        );
      const threshold =
        fields.severity_threshold === undefined
          ? undefined
          : checkOneOf(joinPath(at, 'severity_threshold'), fields.severity_threshold, SEVERITIES, refuse);
      return { name, file: checkString(joinPath(at, 'category_file'), fields.category_file, refuse), threshold };
    },
    refuse,
  );
  return categories.filter((category) => category !== undefined);
}

function actionOf(path: string, value: unknown, refuse: Refuse): Action {
  const at = joinPath(path, 'action');
  return checkOneOf(at, typeof value === 'string' ? value.toUpperCase() : value, ACTIONS, refuse);
}
