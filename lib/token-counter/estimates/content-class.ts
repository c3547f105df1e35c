/** Kinds of text whose tokens differ between tokenizers in another way. */
export const CONTENT_CLASSES = ['text', 'latin', 'code', 'cjk', 'cyrillic', 'semitic', 'other'] as const;
/** `latin`: with accents, as German; `semitic`: Arabic and Hebrew; `other`: Greek, Thai, emoji. */
export type ContentClass = (typeof CONTENT_CLASSES)[number];

// Shares of the characters from which on a prompt belongs to a class.
const CJK_SHARE = 0.2;
const OTHER_SHARE = 0.3;
const ACCENT_SHARE = 0.01;
const OPERATOR_SHARE = 0.06;
/** Looks at so many characters of a text, and at so many texts: some microseconds a prompt. */
const LOOKED_AT = 256;
const MOST_TEXTS = 64;

/** 1 at the code of each ASCII character that code is full of. */
const IS_OPERATOR = new Uint8Array(128);
for (const character of '{}[]()<>=+*/;|&\\') IS_OPERATOR[character.charCodeAt(0)] = 1;

/** Finds the class of a prompt from some characters of its texts. */
export class ContentSample {
  private texts = 0;
  private units = 0;
  private cjk = 0;
  private cyrillic = 0;
  private semitic = 0;
  private accents = 0;
  private others = 0;
  private operators = 0;

  /** @param represents characters that it stands for, as an excerpt. Default its length */
  add(text: string, represents = text.length): void {
    if (this.texts >= MOST_TEXTS || text === '') return;
    this.texts++;
    const step = Math.max(1, Math.ceil(text.length / LOOKED_AT));
    // Each text counts by its length.
    const weight = (step * represents) / text.length;
    for (let at = 0; at < text.length; at += step) this.look(text.charCodeAt(at), weight);
  }

  get contentClass(): ContentClass {
    if (this.cjk > this.units * CJK_SHARE) return 'cjk';
    const { units, cyrillic, semitic, others } = this;
    if (cyrillic + semitic + others > units * OTHER_SHARE) {
      const most = Math.max(cyrillic, semitic, others);
      return most === cyrillic ? 'cyrillic' : most === semitic ? 'semitic' : 'other';
    }
    if (this.operators > units * OPERATOR_SHARE) return 'code';
    return this.accents > units * ACCENT_SHARE ? 'latin' : 'text';
  }

  private look(unit: number, weight: number): void {
    this.units += weight;
    if (unit < 0x80) {
      if (IS_OPERATOR[unit] === 1) this.operators += weight;
    } else if ((unit >= 0x3040 && unit <= 0x9fff) || (unit >= 0xac00 && unit <= 0xd7a3) || (unit >= 0xf900 && unit <= 0xfaff)) {
      this.cjk += weight;
    } else if (unit >= 0xc0 && unit < 0x250) {
      this.accents += weight;
    } else if (unit >= 0x400 && unit < 0x530) {
      this.cyrillic += weight;
    } else if (unit >= 0x590 && unit < 0x780) {
      this.semitic += weight;
    } else {
      this.others += weight;
    }
  }
}
