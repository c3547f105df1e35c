/** UTF-16 units counted in one step: less than 1 ms of copying and a few of counting. */
const UNITS_PER_STEP = 1 << 18;
/** Overhead of a text, in units. */
const CALL_UNITS = 16;

/** Groups the texts, in order, into steps: many short texts, or one long text. */
export function* textSteps(texts: readonly string[]): Generator<readonly string[], void> {
  let step: string[] = [];
  let units = 0;
  for (const text of texts) {
    if (units + text.length > UNITS_PER_STEP && step.length > 0) {
      yield step;
      step = [];
      units = 0;
    }
    step.push(text);
    units += text.length + CALL_UNITS;
  }
  if (step.length > 0) yield step;
}
