/** Where a text may be split: after the letter. */
const CUT = /[a-z][ \n\r]/gi;

/**
 * Cuts a text that arrives in parts into pieces of at least `pieceLength` UTF-16 code units whose
 * token counts add up to that of the whole. This holds for OpenAI's encodings and similar ones,
 * because no token spans a letter and the whitespace after it.
 */
export class TextPieces {
  private pending = '';
  /** The last character of `pending`: to read it there would copy the whole. */
  private last = '';

  constructor(private readonly pieceLength: number) {}

  /** Takes a part; returns a piece when there is one. */
  add(part: string): string | undefined {
    const cut = this.cutIn(part);
    if (part !== '') this.last = part[part.length - 1];
    if (cut === undefined) {
      this.pending += part;
      return undefined;
    }
    const piece = this.pending + part.slice(0, cut);
    this.pending = part.slice(cut);
    return piece;
  }

  /** Returns the remaining text. */
  end(): string {
    return this.pending;
  }

  /** Looks into the new part only: a long text without a cut is searched once. */
  private cutIn(part: string): number | undefined {
    const { last } = this;
    const earliest = this.pieceLength - this.pending.length;
    if (earliest > part.length) return undefined;
    CUT.lastIndex = Math.max(0, earliest + last.length - 1);
    const found = CUT.exec(last + part);
    return found === null ? undefined : found.index + 1 - last.length;
  }
}
