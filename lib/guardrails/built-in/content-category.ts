import { dirname, join } from 'node:path';
import { InvalidConfigurationError } from '../../common/errors.js';
import { checkArray, checkObject, checkOneOf, checkString, joinPath } from '../../common/options.js';
import { readConfigDocument } from '../../router/config/config-yaml.js';
import { CustomPattern } from './custom-pattern.js';
import { PhraseSet } from './phrase-set.js';

export const SEVERITIES = ['low', 'medium', 'high'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** A category of content in a file of LiteLLM's format. */
export interface ContentCategory {
  readonly name: string;
  /** Each is enough. */
  readonly keywords: PhraseSet;
  /** Found together with a block word in one sentence. */
  readonly identifiers: PhraseSet | undefined;
  readonly blockWords: PhraseSet | undefined;
  readonly phrases: readonly CustomPattern[];
  /** A text with one of them is not judged. */
  readonly exceptions: PhraseSet | undefined;
}

const MOST_INHERITED = 8;
const ENDS_SENTENCE = /[.!?\n\u3002\uff01\uff1f]/;
/** Characters of an unfinished sentence that a stream holds back. */
const LONGEST_SENTENCE = 500;

/**
 * Reads a category from a YAML or JSON file.
 * @param threshold keywords of a lower severity are left out
 * @throws InvalidConfigurationError naming the file and the place in it
 */
export function readCategory(name: string, file: string, threshold: Severity): ContentCategory {
  const document = readConfigDocument(file);
  const refuse = (path: string, _: unknown, rule: string): Error => new InvalidConfigurationError(`${file}: ${path}`, rule);
  const keywords = (field: string): string[] =>
    list(file, document, field, (path, value) => {
      if (typeof value === 'string') return [value];
      const entry = checkObject(path, value, refuse);
      const severity = entry.severity === undefined ? 'high' : checkOneOf(joinPath(path, 'severity'), entry.severity, SEVERITIES, refuse);
      const keyword = checkString(joinPath(path, 'keyword'), entry.keyword, refuse);
      return SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(threshold) ? [] : [keyword];
    }).flat();
  const words = (field: string): string[] => list(file, document, field, (path, value) => checkString(path, value, refuse));
  const identifiers = words('identifier_words');
  const blockWords = [...words('additional_block_words'), ...inheritedWords(file, document)];
  const always = [...keywords('keywords'), ...keywords('always_block_keywords')];
  const phrases = list(file, document, 'phrase_patterns', (path, value) =>
    CustomPattern.of(path, checkString(path, value, refuse), refuse),
  );
  if (always.length + phrases.length === 0 && (identifiers.length === 0 || blockWords.length === 0))
    throw new InvalidConfigurationError(file, 'must have keywords, always_block_keywords, phrase_patterns, or identifier_words');
  return {
    name,
    keywords: setOf(always) ?? new PhraseSet([]),
    identifiers: setOf(identifiers),
    blockWords: setOf(blockWords),
    phrases,
    exceptions: setOf(words('exceptions')),
  };
}

/** Whether a text belongs to a category. */
export function isInCategory({ keywords, identifiers, blockWords, phrases, exceptions }: ContentCategory, text: string): boolean {
  const found =
    keywords.isIn(text) ||
    phrases.some((phrase) => phrase.find(text, 0).length > 0) ||
    (identifiers !== undefined &&
      blockWords !== undefined &&
      identifiers.isIn(text) &&
      sentencesOf(text).some((sentence) => identifiers.isIn(sentence) && blockWords.isIn(sentence)));
  return found && exceptions?.isIn(text) !== true;
}

/** Characters at the end of a text on which a verdict can depend once more text follows. */
export function openSentence(text: string): number {
  const most = Math.min(text.length, LONGEST_SENTENCE);
  for (let length = 0; length < most; length++) if (ENDS_SENTENCE.test(text[text.length - 1 - length])) return length;
  return most;
}

function sentencesOf(text: string): readonly string[] {
  return text.split(/[.!?\n\u3002\uff01\uff1f]/);
}

/** The words of the file that `inherit_from` names, in the same folder. */
function inheritedWords(file: string, document: Readonly<Record<string, unknown>>, depth = 0): readonly string[] {
  const { inherit_from: name } = document;
  if (name === undefined || name === null) return [];
  if (typeof name !== 'string' || !/^[\w-]+(?:\.(?:yaml|json))?$/.test(name) || depth === MOST_INHERITED)
    throw new InvalidConfigurationError(
      `${file}: inherit_from`,
      'must be the name of a file in the same folder, which ends with .yaml or .json',
    );
  const parent = join(dirname(file), /\.(?:yaml|json)$/.test(name) ? name : `${name}.yaml`);
  const inherited = readConfigDocument(parent);
  const own = ['keywords', 'always_block_keywords', 'additional_block_words'].flatMap((field) =>
    list(parent, inherited, field, (path, value) => {
      const refuse = (at: string, _: unknown, rule: string): Error => new InvalidConfigurationError(`${parent}: ${at}`, rule);
      return typeof value === 'string' ? value : checkString(joinPath(path, 'keyword'), checkObject(path, value, refuse).keyword, refuse);
    }),
  );
  return [...own, ...inheritedWords(parent, inherited, depth + 1)];
}

function list<T>(file: string, document: Readonly<Record<string, unknown>>, field: string, read: (path: string, value: unknown) => T): T[] {
  const value = document[field] ?? [];
  return [...checkArray(field, value, read, (path, _, rule) => new InvalidConfigurationError(`${file}: ${path}`, rule))];
}

function setOf(words: readonly string[]): PhraseSet | undefined {
  return words.length === 0 ? undefined : new PhraseSet(words.map((word) => [word, true as const]));
}
