const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = '\\'.charCodeAt(0);
const OPENING: ReadonlySet<number> = new Set(['{'.charCodeAt(0), '['.charCodeAt(0)]);
const CLOSING: ReadonlySet<number> = new Set(['}'.charCodeAt(0), ']'.charCodeAt(0)]);

/** Finds the end of a JSON object that arrives in pieces, without keeping them. */
export class JsonEnd {
  private depth = 0;
  private hasBegun = false;
  private isInString = false;
  private isEscaped = false;

  /** Whether the object has ended. */
  get isReached(): boolean {
    return this.hasBegun && this.depth <= 0;
  }

  read(piece: string): void {
    for (let at = 0; at < piece.length; at++) this.character(piece.charCodeAt(at));
  }

  private character(code: number): void {
    if (this.isInString) {
      if (this.isEscaped) this.isEscaped = false;
      else if (code === BACKSLASH) this.isEscaped = true;
      else if (code === QUOTE) this.isInString = false;
    } else if (code === QUOTE) this.isInString = true;
    else if (OPENING.has(code)) {
      this.depth++;
      this.hasBegun = true;
    } else if (CLOSING.has(code)) this.depth--;
  }
}
