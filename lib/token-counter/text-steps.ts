import { nextTurn } from '../common/next-turn.js';

/** UTF-16 code units counted in one step: less than 1 ms of copying and a few of counting. */
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

/** UTF-16 code units of short texts, and of all that are counted in one turn of the event loop. */
export const SHORT_TEXT_UNITS = 1 << 12;

/** Counts short texts one after the other, some in each turn of the event loop. */
export class TextTurns {
  private left: number;

  constructor(private readonly unitsPerTurn = SHORT_TEXT_UNITS) {
    this.left = unitsPerTurn;
  }

  /** The wait for a turn that has room for the text; `undefined`: this one has. */
  roomFor({ length }: string): Promise<void> | undefined {
    const hasRoom = length <= this.left;
    this.left = (hasRoom ? this.left : this.unitsPerTurn) - length - CALL_UNITS;
    return hasRoom ? undefined : nextTurn();
  }
}
