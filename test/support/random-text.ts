/** A seeded generator of numbers in [0, 1): the same seed gives the same texts everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

const ATOMS: readonly (readonly string[])[] = [
  ['the', 'Hello', 'HELLO', 'helloWorld', 'XMLHttp', 'a', 'B', 'ing', 'tion', 'don', 'zq', 'x'],
  [' ', ' ', ' ', '  ', '   ', '\t', '\n', '\r\n', '\n\n', '\r', '\v', '\u0085', '\u00a0', '\u2028', '\u3000', '\ufeff'],
  ["'s", "'S", "'ſ", "'t", "'RE", "'re", "'Ve", "'m", "'lL", "'ll", "'d", "'", "''", '’s'],
  ['1', '12', '123', '12345', '0', '٣', '७', 'Ⅷ', '²', '½', '𝟙'],
  [
    '.',
    ',',
    '!',
    '/',
    '//',
    '/\n',
    '-',
    '--',
    '=',
    '(',
    '){',
    '"',
    '_',
    '<|endoftext|>',
    '\\',
    '#',
    '$',
    '€',
    '…',
    '\u0000',
    '\u001b',
    '\u200b',
  ],
  ['é', 'É', 'ß', 'Straße', 'Привет', 'ΩΜΈΓΑ', 'ωμέγα', 'ſ', 'ı', 'İ', 'ǅ', 'ʰ', 'ª', 'K', 'ﬁ', '𝐁', '𐐀', '𐐨'],
  ['字', '漢字', '你好', '日本語', 'カタカナ', '한국어', 'שלום', 'مرحبا', 'नमस्ते', 'ไทย', '𠀀'],
  ['\u0301', '\u0301\u0302', 'e\u0301', 'A\u0301', '\u20dd', '\ufe0f', '\u{e0100}', 'ं'],
  ['😀', '👍🏽', '👩‍👩‍👧', '🇩🇪', '☎️', '🅰', '\u{10ffff}', '\ue000'],
  ['\ud800', '\udc00', '\udbff', '\udfff', '\ud83d'],
];

/**
 * A text of up to `maxAtoms` atoms of all kinds: words, white space, contractions, digits,
 * punctuation, scripts, marks, emoji, lone surrogates, any code point, runs of one atom, and
 * `extra` (for example tokens of a vocabulary).
 */
export function randomText(random: () => number, maxAtoms: number, extra: readonly string[] = []): string {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)];
  let text = '';
  for (let left = 1 + Math.floor(random() * maxAtoms); left > 0; left--) {
    const kind = random();
    if (kind < 0.04) text += String.fromCodePoint(Math.floor(random() * 0x110000));
    else if (kind < 0.08) text += String.fromCharCode(Math.floor(random() * 0x3000));
    else if (kind < 0.1) text += pick(pick(ATOMS)).repeat(Math.floor(random() * 90));
    else if (kind < 0.25 && extra.length > 0) text += pick(extra);
    else text += pick(pick(ATOMS));
  }
  return text;
}
