/** UTF-16 units of texts that are counted in one step: below a millisecond of copying, a few of counting. */
const UNITS_PER_STEP = 1 << 18;
/** What a text costs beside its units, however short it is. */
const CALL_UNITS = 16;

/** The texts in order, in lists to be counted together: many short ones, or a long one alone. */
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
