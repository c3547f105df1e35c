const [OPEN, CLOSE] = Buffer.from('{}');
const ERROR = Buffer.from('"error"');

/** Whether an answer has the beginning and the end of an object. Some providers send empty lines until it is there, and many a last line. */
export function looksWhole(answer: Buffer): boolean {
  let end = answer.length - 1;
  while (answer[end] <= 32) end--;
  return answer[beginningOf(answer)] === OPEN && answer[end] === CLOSE;
}

/** Whether an answer is worth a closer look: where an error stands in its place, that is all there is, or the first. */
export function mayBeginWithError(answer: Buffer): boolean {
  const name = beginningOf(answer, beginningOf(answer) + 1);
  for (let i = 0; i < ERROR.length; i++) if (answer[name + i] !== ERROR[i]) return false;
  return true;
}

/** Where the white space ends. */
function beginningOf(answer: Buffer, from = 0): number {
  let at = from;
  while (answer[at] <= 32) at++;
  return at;
}
