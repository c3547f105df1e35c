/** A piece of text and its tokens: mostly one, several if they share a character. */
export interface TokenPiece {
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * Splits a text at the boundaries of its tokens. If a token ends inside a character (many emoji),
 * the piece continues until a token ends at a character's end.
 *
 * @param text Without lone surrogates.
 */
export function tokenPieces(text: string, ids: Uint32Array, decode: (ids: Uint32Array) => string): TokenPiece[] {
  const pieces: TokenPiece[] = [];
  let at = 0;
  for (let start = 0, end = 1; end <= ids.length; end++) {
    const piece = ids.subarray(start, end);
    const decoded = decode(piece);
    // Half a character decodes to U+FFFD, which differs from the text.
    if (!text.startsWith(decoded, at)) continue;
    pieces.push({ text: decoded, ids: [...piece] });
    at += decoded.length;
    start = end;
  }
  return pieces;
}
