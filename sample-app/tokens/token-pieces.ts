/** A stretch of text and the tokens it is made of: mostly one, several where they share a character. */
export interface TokenPiece {
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * Cuts a text at the boundaries of its tokens. The pieces, joined, are the start of the text that the ids stand for.
 * Where a token ends inside a character (many emoji), the piece goes on until a token ends with a whole one.
 *
 * @param text without lone surrogates
 */
export function tokenPieces(text: string, ids: Uint32Array, decode: (ids: Uint32Array) => string): TokenPiece[] {
  const pieces: TokenPiece[] = [];
  let at = 0;
  for (let start = 0, end = 1; end <= ids.length; end++) {
    const piece = ids.subarray(start, end);
    const decoded = decode(piece);
    // Half a character decodes to U+FFFD, which is not what stands in the text.
    if (!text.startsWith(decoded, at)) continue;
    pieces.push({ text: decoded, ids: [...piece] });
    at += decoded.length;
    start = end;
  }
  return pieces;
}
