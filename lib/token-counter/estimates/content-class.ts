/** Kinds of text whose tokens differ between tokenizers in another way. */
export const CONTENT_CLASSES = ['text', 'latin', 'code', 'cjk', 'cyrillic', 'semitic', 'other'] as const;
/** `latin`: with accents, as German; `semitic`: Arabic and Hebrew; `other`: Greek, Thai, emoji. */
export type ContentClass = (typeof CONTENT_CLASSES)[number];

// Minimum share of characters for a prompt to belong to a class.
const CJK_SHARE = 0.2;
const OTHER_SHARE = 0.3;
const ACCENT_SHARE = 0.01;
const OPERATOR_SHARE = 0.06;
/** Looks at so many characters of a text, and at so many texts: some microseconds a prompt. */
const LOOKED_AT = 256;
const MOST_TEXTS = 64;

// The last three have one feature, because they have classes of their own.
const Kind = {
  lower: 0,
  upper: 1,
  digit: 2,
  space: 3,
  newline: 4,
  operator: 5,
  punctuation: 6,
  accent: 7,
  han: 8,
  kana: 9,
  hangul: 10,
  cyrillic: 11,
  semitic: 12,
  other: 13,
} as const;

/** Tokens of cl100k_base for a character of each kind, roughly: brings features to one scale. */
const TOKENS_PER_CHARACTER = [0.22, 0.4, 0.4, 0.05, 0.3, 0.6, 0.6, 0.7, 1.1, 1, 1.3, 0.5, 0.7, 0.8];
/** The same for what stands around a text. */
const TOKENS_PER_TEXT = 2.5;

/** A one, the texts, and the characters by kind. */
export const FEATURES = 14;

/** The kind of each ASCII character. */
const ASCII_KINDS = new Uint8Array(128).map((_, code) => {
  const character = String.fromCharCode(code);
  if (/[a-z]/.test(character)) return Kind.lower;
  if (/[A-Z]/.test(character)) return Kind.upper;
  if (/\d/.test(character)) return Kind.digit;
  if (character === '\n' || character === '\r') return Kind.newline;
  if (character === ' ' || character === '\t') return Kind.space;
  return '{}[]()<>=+*/;|&\\'.includes(character) ? Kind.operator : Kind.punctuation;
});

/** Finds the class and the features of a prompt from a sample of its characters. */
export class ContentSample {
  private texts = 0;
  /** Characters of all texts, and of those that were looked at. */
  private length = 0;
  private seen = 0;
  private readonly characters = new Float64Array(TOKENS_PER_CHARACTER.length);
  /** The last ones: a prompt is estimated, and remembered for its provider's report. */
  private known: { readonly tokens: number; readonly features: Float64Array } | undefined = undefined;

  /** @param represents characters that it stands for, as an excerpt. Default its length */
  add(text: string, represents = text.length): void {
    if (text === '') return;
    this.known = undefined;
    this.length += represents;
    if (this.texts++ >= MOST_TEXTS) return;
    this.seen += represents;
    const step = Math.max(1, Math.ceil(text.length / LOOKED_AT));
    // Each text counts by its length.
    const weight = (step * represents) / text.length;
    for (let at = 0; at < text.length; at += step) {
      const unit = text.charCodeAt(at);
      this.characters[unit < 0x80 ? ASCII_KINDS[unit] : kindOf(unit)] += weight;
    }
  }

  get contentClass(): ContentClass {
    const of = this.characters;
    const units = this.seen;
    if (of[Kind.han] + of[Kind.kana] + of[Kind.hangul] > units * CJK_SHARE) return 'cjk';
    const [cyrillic, semitic, other] = of.subarray(Kind.cyrillic);
    if (cyrillic + semitic + other > units * OTHER_SHARE) {
      const most = Math.max(cyrillic, semitic, other);
      return most === cyrillic ? 'cyrillic' : most === semitic ? 'semitic' : 'other';
    }
    if (of[Kind.operator] > units * OPERATOR_SHARE) return 'code';
    return of[Kind.accent] > units * ACCENT_SHARE ? 'latin' : 'text';
  }

  /** About the tokens of the texts, before they are counted. */
  get roughTokens(): number {
    let tokens = this.texts * TOKENS_PER_TEXT;
    for (let kind = 0; kind < this.characters.length; kind++) tokens += this.characters[kind] * this.scale * TOKENS_PER_CHARACTER[kind];
    return tokens;
  }

  /** Returns the composition of a prompt, per token. */
  features(tokens: number): Float64Array {
    if (this.known?.tokens === tokens) return this.known.features;
    const features = new Float64Array(FEATURES);
    const scale = this.scale / tokens;
    features[0] = 1;
    features[1] = (this.texts * TOKENS_PER_TEXT) / tokens;
    for (let kind = 0; kind < this.characters.length; kind++) {
      features[Math.min(2 + kind, FEATURES - 1)] += this.characters[kind] * scale * TOKENS_PER_CHARACTER[kind];
    }
    this.known = { tokens, features };
    return features;
  }

  private get scale(): number {
    return this.seen === 0 ? 0 : this.length / this.seen;
  }
}

/** The kind of a character beyond ASCII. */
function kindOf(unit: number): number {
  if (unit >= 0x3040 && unit <= 0x30ff) return Kind.kana;
  if ((unit > 0x30ff && unit <= 0x9fff) || (unit >= 0xf900 && unit <= 0xfaff)) return Kind.han;
  if (unit >= 0xac00 && unit <= 0xd7a3) return Kind.hangul;
  if (unit >= 0xc0 && unit < 0x250) return Kind.accent;
  if (unit >= 0x400 && unit < 0x530) return Kind.cyrillic;
  return unit >= 0x590 && unit < 0x780 ? Kind.semitic : Kind.other;
}
