import { TokenizerError, type SplitName } from './tokenizer-model.js';

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const WORD_START = '[^\\r\\n\\p{L}\\p{N}]?';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const NO_HAN_UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]';
const NO_HAN_LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]';

function cl100k(word: string, digits: string, other: string): string {
  return `${CONTRACTIONS}|${WORD_START}${word}+|${digits}| ?${other}+[\\r\\n]*|${SPACES}`;
}

function o200k(upper: string, lower: string, contractions: string, digits: string, tail: string): string {
  const words = [`${WORD_START}${upper}*${lower}+${contractions}`, `${WORD_START}${upper}+${lower}*${contractions}`];
  return `${words.join('|')}|${digits}| ?[^\\s\\p{L}\\p{N}]+${tail}*|${SPACES}`;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const OTHERS = '[^\\s\\p{L}\\p{N}]';

/** The known patterns, each as a list of passes: every pass splits the rest of the previous one. */
const PATTERNS: ReadonlyMap<string, SplitName> = new Map<string, SplitName>([
  [key(GPT2), 'gpt2'],
  [key(cl100k('\\p{L}', '\\p{N}{1,3}', OTHERS)), 'cl100k'],
  [key(cl100k('\\p{L}', '\\p{N}', OTHERS)), 'cl100k-digits'],
  [key(cl100k('[\\p{L}\\p{M}]', '\\p{N}', '[^\\s\\p{L}\\p{M}\\p{N}]')), 'cl100k-marks'],
  [key(o200k(UPPER, LOWER, `${CONTRACTIONS}?`, '\\p{N}{1,3}', '[\\r\\n/]')), 'o200k'],
  [key(o200k(UPPER, LOWER, '', '\\p{N}', '[\\r\\n/]')), 'o200k-digits'],
  [key(`[\\p{Han}]+|${o200k(NO_HAN_UPPER, NO_HAN_LOWER, `${CONTRACTIONS}?`, '\\p{N}{1,3}', '[\\r\\n]')}`), 'kimi'],
  [key('digits', GPT2), 'gpt2-digits'],
  [
    key(
      '\\p{N}{1,3}',
      '[一-龥\u3040-ゟ゠-ヿ]+',
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+' +
        `| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`,
    ),
    'deepseek',
  ],
]);

/** One spelling of the passes: line ends and contractions are written in several ways. */
function key(...passes: readonly string[]): string {
  return passes
    .map((pass) =>
      pass
        .replaceAll('\r', '\\r')
        .replaceAll('\n', '\\n')
        .replaceAll("'(?i:[sdmt]|ll|ve|re)", CONTRACTIONS)
        .replaceAll("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTIONS),
    )
    .join('\n');
}

/**
 * The split of these passes, each a regular expression or `digits`.
 * @throws TokenizerError for a pattern that is not known.
 */
export function splitOf(passes: readonly string[], path: string): SplitName {
  const split = PATTERNS.get(key(...passes));
  if (split === undefined) throw new TokenizerError(path, passes.join('  then  '), 'must be the pattern of a known family');
  return split;
}
