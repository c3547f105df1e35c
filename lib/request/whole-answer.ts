const [OPEN, CLOSE] = Buffer.from('{}');
const ERROR = Buffer.from('"error"');

/** Whether the pieces of an answer have the beginning and the end of an object. Some providers send empty lines until it is there, and many a last line. */
export function looksWhole(first: Buffer, more: readonly Buffer[]): boolean {
  if (more.length === 0) return first[beginningOf(first)] === OPEN && endOf(first) === CLOSE;
  const pieces = [first, ...more].filter((piece) => beginningOf(piece) < piece.length);
  return pieces.length > 0 && pieces[0][beginningOf(pieces[0])] === OPEN && endOf(pieces[pieces.length - 1]) === CLOSE;
}

/** Whether an answer is worth a closer look: where an error stands in its place, that is all there is, or the first. */
export function mayBeginWithError(first: Buffer, more: readonly Buffer[]): boolean {
  const piece = [first, ...more].find((each) => beginningOf(each) < each.length) ?? first;
  const name = beginningOf(piece, beginningOf(piece) + 1);
  for (let i = 0; i < ERROR.length; i++) if (piece[name + i] !== ERROR[i]) return false;
  return true;
}

/** Where the white space ends. */
function beginningOf(piece: Buffer, from = 0): number {
  let at = from;
  while (piece[at] <= 32) at++;
  return at;
}

function endOf(piece: Buffer): number | undefined {
  let at = piece.length - 1;
  while (piece[at] <= 32) at--;
  return piece[at];
}
